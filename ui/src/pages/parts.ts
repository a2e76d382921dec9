/** Parts of a breakdown of use, as people read them. */
import { desk } from '../shell/desk.svelte';

/** The value of a part: a product by its name. */
export const partName = (by: string, key: string | null): string => (by === 'product' ? (desk.productById.get(key ?? '')?.name ?? key) : key) || 'Not said';
