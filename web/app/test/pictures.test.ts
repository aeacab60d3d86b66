import { expect, test } from "vitest";
import { pictureFor } from "../src/thread/attachments.tsx";

test("a thumbnail is shown where it is sharp enough, or the picture too large", () => {
  const thumb = "/thumb";
  const at = (w: number, h: number, size: number, width: number, ratio: number, density = 1) => pictureFor({ w, h, size, thumb }, width, ratio, density);
  expect(at(1200, 900, 500_000, 300, 4 / 3)).toBe("thumb");
  expect(at(1200, 900, 500_000, 384, 4 / 3, 2)).toBe("file");
  expect(at(1200, 900, 5_000_000, 384, 4 / 3, 2)).toBe("thumb");
  expect(at(300, 2400, 90_000, 192, 0.5)).toBe("file"); // of a very tall one the thumbnail is 40 pixels wide
  expect(at(100, 100, 9_000, 120, 1, 3)).toBe("thumb"); // nothing is sharper than the picture
  expect(pictureFor({ w: 1200, h: 900, size: 9_000_000 }, 300, 4 / 3, 1)).toBe("file");
});
