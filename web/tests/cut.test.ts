/** What a crop keeps of a picture, and what it shows meanwhile. */
import { expect, test } from "vitest";
import { CENTRE, drawnSize, kept, moved, PORTRAIT, shownBy } from "../src/capture/cut";

test("a wide picture keeps its whole height, a tall one its whole width", () => {
  expect(kept(1920, 1080, CENTRE)).toEqual({ x: 656.25, y: 0, width: 607.5, height: 1080 });
  expect(kept(1080, 2400, CENTRE)).toEqual({ x: 0, y: 240, width: 1080, height: 1920 });
  expect(kept(1920, 1080, null)).toEqual({ x: 0, y: 0, width: 1920, height: 1080 });
});

test.each([0, 0.3, 1])("a crop of 9:16 never leaves the picture (at %s)", (at) => {
  for (const zoom of [1, 1.7, 3]) {
    const { x, y, width, height } = kept(1600, 1200, { x: at, y: at, zoom });
    expect(width / height).toBeCloseTo(PORTRAIT);
    expect(Math.min(x, y)).toBeGreaterThanOrEqual(0);
    expect(x + width).toBeLessThanOrEqual(1600);
    expect(y + height).toBeLessThanOrEqual(1200);
  }
});

test("what is shown while cropping is what is kept", () => {
  // object-fit: cover at 25 % begins a quarter of the hidden width in; scaling by 2 from there hides half of the rest.
  const { x, width } = kept(1920, 1080, { x: 0.25, y: 0, zoom: 2 });
  const covered = (1920 - 607.5) * 0.25;
  expect(x).toBeCloseTo(covered + 0.25 * (607.5 - width));
  expect(shownBy({ x: 0.25, y: 0, zoom: 2 })).toMatchObject({ objectPosition: "25% 0%", transform: "scale(2)" });
});

test("the picture follows the finger, up to its edge", () => {
  const before = kept(1920, 1080, CENTRE);
  const dragged = moved(CENTRE, 1920, 1080, 0.5, 0.5);
  expect(before.x - kept(1920, 1080, dragged).x).toBeCloseTo(before.width / 2);
  expect(dragged.y).toBe(0.5); // nothing to move: the whole height is kept
  expect(moved(CENTRE, 1920, 1080, 9, 0).x).toBe(0);
});

test("sides are even, and no longer than asked", () => {
  expect(drawnSize({ x: 0, y: 0, width: 607.5, height: 1080 }, 1920)).toEqual({ width: 608, height: 1080 });
  expect(drawnSize({ x: 0, y: 0, width: 2160, height: 3840 }, 1920)).toEqual({ width: 1080, height: 1920 });
});
