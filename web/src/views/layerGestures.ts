/** How a layer follows the hand that moves, turns and sizes it, as numbers. */
import type { Layer } from "stories-client";

export interface Point {
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

type Frame = Pick<Layer, "x" | "y" | "w" | "h"> & { rotation?: number };

const STEADY = 4;
const SMALLEST = 0.02;

const round = (value: number) => Math.round(value * 1000) / 1000;
const inside = (value: number) => Math.min(1, Math.max(0, round(value)));
const degrees = (from: Point, to: Point) => (Math.atan2(to.y - from.y, to.x - from.x) * 180) / Math.PI;
const distance = (from: Point, to: Point) => Math.hypot(to.x - from.x, to.y - from.y);

/** -180 to 180 degrees, and upright where it is nearly so. */
export function upright(rotation: number): number {
  const turned = ((((rotation + 180) % 360) + 360) % 360) - 180;
  const straight = Math.round(turned / 90) * 90;
  return Math.round(Math.abs(turned - straight) < STEADY ? straight : turned) || 0;
}

/** Moved by one finger or the mouse. */
export function dragged(from: Frame, begun: Point, at: Point, canvas: Size): Partial<Frame> {
  return { x: inside(from.x + (at.x - begun.x) / canvas.width), y: inside(from.y + (at.y - begun.y) / canvas.height) };
}

function sized(from: Frame, scale: number): Partial<Frame> {
  const much = Math.min(scale, 1 / from.w, 1 / from.h);
  return { w: Math.max(SMALLEST, round(from.w * much)), h: Math.max(SMALLEST, round(from.h * much)) };
}

/** Turned and sized around its middle by a handle. */
export function turned(from: Frame, middle: Point, begun: Point, at: Point): Partial<Frame> {
  const scale = distance(middle, at) / Math.max(1, distance(middle, begun));
  const rotation = upright((from.rotation ?? 0) + degrees(middle, at) - degrees(middle, begun));
  return { rotation, ...sized(from, scale) };
}

/** Moved, turned and sized by two fingers. */
export function pinched(
  from: Frame,
  begun: readonly [Point, Point],
  at: readonly [Point, Point],
  canvas: Size,
): Partial<Frame> {
  const middle = ([one, two]: readonly [Point, Point]) => ({ x: (one.x + two.x) / 2, y: (one.y + two.y) / 2 });
  const rotation = upright((from.rotation ?? 0) + degrees(...at) - degrees(...begun));
  return {
    ...dragged(from, middle(begun), middle(at), canvas),
    rotation,
    ...sized(from, distance(...at) / Math.max(1, distance(...begun))),
  };
}
