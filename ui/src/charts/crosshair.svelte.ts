/** The bucket looked at, shared by all charts of a page; the one under the pointer owns the tooltip. */
export class Crosshair {
  start = $state.raw<string | null>(null);
  owner = $state.raw<symbol | null>(null);

  at(start: string, owner: symbol): void {
    this.start = start;
    this.owner = owner;
  }

  /** Only the owner lets go: a chart left late must not clear what another has taken. */
  leave(owner: symbol): void {
    if (this.owner !== owner) return;
    this.start = null;
    this.owner = null;
  }
}
