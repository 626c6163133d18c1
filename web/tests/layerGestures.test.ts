import { expect, test } from "vitest";
import { overTime } from "../src/views/Charts";
import { dragged, pinched, turned, upright } from "../src/views/layerGestures";

const layer = { x: 0.5, y: 0.5, w: 0.4, h: 0.1, rotation: 10 };
const canvas = { width: 200, height: 400 };

test("a finger moves a layer, and never out of the picture", () => {
  expect(dragged(layer, { x: 0, y: 0 }, { x: 20, y: -40 }, canvas)).toEqual({ x: 0.6, y: 0.4 });
  expect(dragged(layer, { x: 0, y: 0 }, { x: 900, y: -900 }, canvas)).toEqual({ x: 1, y: 0 });
});

test("the handle turns and sizes a layer around its middle", () => {
  const [middle, begun] = [
    { x: 100, y: 100 },
    { x: 150, y: 100 },
  ];
  expect(turned(layer, middle, begun, { x: 100, y: 200 })).toEqual({ rotation: 100, w: 0.8, h: 0.2 });
  expect(turned(layer, middle, begun, { x: 600, y: 100 })).toMatchObject({ rotation: 10, w: 1, h: 0.25 });
});

test("two fingers move, turn and size a layer at once", () => {
  const begun = [
    { x: 80, y: 200 },
    { x: 120, y: 200 },
  ] as const;
  const at = [
    { x: 120, y: 180 },
    { x: 120, y: 260 },
  ] as const;
  expect(pinched(layer, begun, at, canvas)).toEqual({ x: 0.6, y: 0.55, rotation: 100, w: 0.8, h: 0.2 });
});

test("a layer that is nearly upright stands upright", () => {
  expect([3, -2, 92, 150, 170, 178, 190, 45].map(upright)).toEqual([0, 0, 90, 150, 170, 180, -170, 45]);
});

test("viewers over time are counted in equal steps, and none is lost", () => {
  const posted = Date.parse("2026-01-01T00:00:00Z");
  const at = (seconds: number) => new Date(posted + seconds * 1000).toISOString();
  const bars = overTime(posted, [at(5), at(40), at(41), at(85)]);
  expect(bars.reduce((sum, each) => sum + each.value, 0)).toBe(4);
  expect(bars.map((each) => each.value)).toEqual([1, 0, 2, 0, 0, 1]);
  expect(overTime(posted, [at(5)])).toEqual([]);
});
