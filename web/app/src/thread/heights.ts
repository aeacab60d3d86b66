// The heights of a hundred thousand rows, most of which nobody has seen: those have
// an estimate. Sums and look-ups take O(log n).

/** Row heights by seq, from 0. A Fenwick tree of differences to the estimate. */
export class Heights {
  readonly estimate: number;
  private diff: Float32Array; // measured − estimate, by seq
  private tree: Float64Array; // 1-based
  private cap: number;

  constructor(estimate: number, capacity = 1024) {
    this.estimate = estimate;
    this.cap = 1 << Math.ceil(Math.log2(Math.max(2, capacity)));
    this.diff = new Float32Array(this.cap);
    this.tree = new Float64Array(this.cap + 1);
  }

  get(seq: number): number {
    return this.estimate + (this.diff[seq] ?? 0);
  }

  /** Returns how much the row has grown. */
  set(seq: number, height: number): number {
    if (seq >= this.cap) this.grow(seq + 1);
    const next = Math.fround(height - this.estimate);
    const delta = next - (this.diff[seq] ?? 0);
    if (delta === 0) return 0;
    this.diff[seq] = next;
    for (let i = seq + 1; i <= this.cap; i += i & -i) this.tree[i] = (this.tree[i] ?? 0) + delta;
    return delta;
  }

  /** The sum of the heights of all rows before `seq`. */
  offset(seq: number): number {
    let sum = 0;
    for (let i = Math.min(seq, this.cap); i > 0; i -= i & -i) sum += this.tree[i] ?? 0;
    return sum + seq * this.estimate;
  }

  /** The row in which the point `y` lies, counted from row 0. */
  at(y: number): number {
    let seq = 0;
    let rest = y;
    for (let step = this.cap; step > 0; step >>= 1) {
      const next = seq + step;
      if (next > this.cap) continue;
      const sum = (this.tree[next] ?? 0) + step * this.estimate;
      if (sum <= rest) {
        seq = next;
        rest -= sum;
      }
    }
    return seq === this.cap ? seq + Math.floor(rest / this.estimate) : seq;
  }

  private grow(need: number): void {
    let cap = this.cap;
    while (cap < need) cap *= 2;
    const diff = new Float32Array(cap);
    diff.set(this.diff);
    const tree = new Float64Array(cap + 1);
    for (let i = 1; i <= cap; i++) {
      tree[i] = (tree[i] ?? 0) + (diff[i - 1] ?? 0);
      const parent = i + (i & -i);
      if (parent <= cap) tree[parent] = (tree[parent] ?? 0) + (tree[i] ?? 0);
    }
    this.cap = cap;
    this.diff = diff;
    this.tree = tree;
  }
}
