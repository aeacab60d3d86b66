import { expect, test } from "vitest";
import { Heights } from "../src/thread/heights.ts";

/** The same, done the slow way. */
class Plain {
  readonly all: number[];
  constructor(n: number, estimate: number) {
    this.all = new Array<number>(n).fill(estimate);
  }
  offset(seq: number): number {
    return this.all.slice(0, seq).reduce((a, b) => a + b, 0);
  }
  at(y: number): number {
    let seq = 0;
    let rest = y;
    while (seq < this.all.length && rest >= (this.all[seq] ?? 0)) rest -= this.all[seq++] ?? 0;
    return seq;
  }
}

/** Numbers that are the same in every run. */
function numbers(seed: number): () => number {
  return () => (seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff) / 0x80000000;
}

test("sums and look-ups are those of a plain list, also after it has grown", () => {
  const random = numbers(7);
  const heights = new Heights(50, 4);
  const plain = new Plain(300, 50);
  for (let i = 0; i < 2000; i++) {
    const seq = Math.floor(random() * 300);
    const height = random() < 0.2 ? 0 : Math.floor(random() * 200);
    heights.set(seq, height);
    plain.all[seq] = height;
    const probe = Math.floor(random() * 300);
    expect(heights.offset(probe)).toBeCloseTo(plain.offset(probe), 6);
    const y = Math.floor(random() * plain.offset(300));
    expect(heights.at(y)).toBe(plain.at(y));
  }
});

test("set tells by how much a row has grown", () => {
  const heights = new Heights(50);
  expect(heights.set(3, 80)).toBe(30);
  expect(heights.set(3, 80)).toBe(0);
  expect(heights.set(3, 0)).toBe(-80);
  expect(heights.get(3)).toBe(0);
  expect(heights.get(4)).toBe(50);
});

test("what was never measured counts by the estimate, however far away", () => {
  const heights = new Heights(60);
  expect(heights.offset(1_000_000)).toBe(60_000_000);
  expect(heights.at(60_000_000 - 1)).toBe(999_999);
  heights.set(100_000, 160);
  expect(heights.offset(200_000)).toBe(200_000 * 60 + 100);
  expect(heights.at(100_000 * 60 + 159)).toBe(100_000);
  expect(heights.at(100_000 * 60 + 160)).toBe(100_001);
});
