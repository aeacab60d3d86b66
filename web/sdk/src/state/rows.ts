import type { Rows } from "../api.js";

/** All seqs from `first` to `head` without the `hidden` ones, which are ascending. */
export class SparseRows implements Rows {
  readonly length: number;

  constructor(
    private readonly first: number,
    private readonly head: number,
    private readonly hidden: readonly number[],
  ) {
    this.length = Math.max(0, head - first + 1 - (this.hiddenUpTo(head) - this.hiddenUpTo(first - 1)));
  }

  seqAt(index: number): number | undefined {
    if (index < 0 || index >= this.length) return undefined;
    // The smallest seq with index+1 rows up to it.
    let lo = this.first + index;
    let hi = this.head;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (this.upTo(mid) > index) hi = mid;
      else lo = mid + 1;
    }
    return lo;
  }

  indexOf(seq: number): number {
    if (seq <= this.first) return 0;
    return seq > this.head ? this.length : this.upTo(seq - 1);
  }

  /** Rows up to and including a seq. */
  private upTo(seq: number): number {
    return seq - this.first + 1 - (this.hiddenUpTo(seq) - this.hiddenUpTo(this.first - 1));
  }

  private hiddenUpTo(seq: number): number {
    let lo = 0;
    let hi = this.hidden.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (this.hidden[mid]! <= seq) lo = mid + 1;
      else hi = mid;
    }
    return lo;
  }
}

/** Adds numbers to an ascending list without doubles; the same list if all are in it. */
export function merged(list: readonly number[], more: readonly number[]): readonly number[] {
  const fresh = more.filter((n) => !includes(list, n));
  if (fresh.length === 0) return list;
  const last = list[list.length - 1] ?? -Infinity;
  const all = [...list, ...fresh];
  return fresh.length === 1 && fresh[0]! > last ? all : all.sort((a, b) => a - b);
}

function includes(list: readonly number[], n: number): boolean {
  let lo = 0;
  let hi = list.length - 1;
  while (lo <= hi) {
    const mid = (lo + hi) >> 1;
    if (list[mid] === n) return true;
    if (list[mid]! < n) lo = mid + 1;
    else hi = mid - 1;
  }
  return false;
}
