// Labels that would lie on each other are moved apart, as little as possible.

/** Centres at least `gap` apart and within [low, high], in the order given by `wanted`. */
export function spread(wanted: readonly number[], gap: number, low: number, high: number): number[] {
  const order = wanted.map((y, index) => ({ y, index })).sort((a, b) => a.y - b.y || a.index - b.index);
  interface Block {
    sum: number;
    count: number;
    top: number;
  }
  const blocks: Block[] = [];
  const place = (block: Block): void => {
    const centre = block.sum / block.count;
    const half = ((block.count - 1) * gap) / 2;
    block.top = Math.max(low, Math.min(high - 2 * half, centre - half));
  };
  for (const { y } of order) {
    let block: Block = { sum: y, count: 1, top: 0 };
    place(block);
    for (let above = blocks.at(-1); above && above.top + above.count * gap > block.top; above = blocks.at(-1)) {
      blocks.pop();
      block = { sum: above.sum + block.sum, count: above.count + block.count, top: 0 };
      place(block);
    }
    blocks.push(block);
  }
  const placed: number[] = Array.from({ length: wanted.length }, () => 0);
  let next = 0;
  for (const block of blocks) {
    for (let i = 0; i < block.count; i += 1) placed[order[next++]!.index] = block.top + i * gap;
  }
  return placed;
}
