import { expect, test } from "vitest";
import { filter, fit, frame } from "../src/player/geometry";

const box = { x: 0.5, y: 0.25, w: 0.8, h: 0.1 };

test("a layer lies around its centre, turned", () => {
  const style = frame({ ...box, kind: "hashtag", tag: "sea", rotation: -4 });
  expect(style).toMatchObject({
    left: "50%",
    top: "25%",
    width: "80%",
    transform: "translate(-50%, -50%) rotate(-4deg)",
  });
});

test("a text is as large as its box allows, and no word is broken", () => {
  const short = fit("Hello", 0.8, 0.1);
  expect(short).toBeGreaterThan(7);
  expect(fit("Hello, this is a longer text over some lines", 0.8, 0.1)).toBeLessThan(short);
  const wide = fit("Donaudampfschifffahrt", 0.4, 0.3);
  expect(wide * 21 * 0.54).toBeLessThanOrEqual(0.4 * 100 * (9 / 16) + 0.54);
  expect(fit("x".repeat(500), 0.1, 0.02)).toBeGreaterThan(0);
});

test("effects are filters of the picture; unknown ones are left out", () => {
  expect(filter([{ ...box, kind: "effect", name: "mono", intensity: 0.5 }])).toBe("grayscale(0.5)");
  expect(
    filter([
      { ...box, kind: "effect", name: "unknown" },
      { ...box, kind: "caption", text: "x" },
    ]),
  ).toBe("");
});
