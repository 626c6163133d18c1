/** Where layers lie and how they look, as numbers. */
import type { Layer } from "stories-client";

/** The size of letters, in hundredths of the picture's height, at which a text fills its box. */
export function fit(text: string, w: number, h: number, ratio = 9 / 16, wide = 0.54): number {
  const lines = text.split("\n");
  const longest = Math.max(...text.split(/\s+/).map((word) => word.length));
  for (let size = h / 1.25; size > 0.012; size *= 0.95) {
    const perLine = Math.max(1, Math.floor((w * ratio) / (size * wide)));
    const used = lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / perLine)), 0);
    if (used * size * 1.22 <= h && longest <= perLine) return size * 100;
  }
  return 1.2;
}

/** Where a layer lies: its centre, size and turn, as shares of the picture. */
export function frame(layer: Layer): Record<string, string> {
  return {
    left: `${layer.x * 100}%`,
    top: `${layer.y * 100}%`,
    width: `${layer.w * 100}%`,
    minHeight: `${layer.h * 100}%`,
    transform: `translate(-50%, -50%) rotate(${layer.rotation ?? 0}deg)`,
  };
}

/** The filter of a story's effect layers, for the picture itself. */
export function filter(layers: readonly Layer[]): string {
  const found = layers.map((layer) => {
    if (layer.kind !== "effect") return "";
    const much = layer.intensity ?? 1;
    const known: Record<string, string> = {
      mono: `grayscale(${much})`,
      warm: `sepia(${0.4 * much}) saturate(${1 + 0.5 * much})`,
      cool: `hue-rotate(${-14 * much}deg) saturate(${1 + 0.15 * much})`,
      vivid: `saturate(${1 + 0.7 * much}) contrast(${1 + 0.1 * much})`,
      fade: `contrast(${1 - 0.2 * much}) brightness(${1 + 0.08 * much}) saturate(${1 - 0.3 * much})`,
    };
    return known[layer.name] ?? "";
  });
  return found.filter(Boolean).join(" ");
}
