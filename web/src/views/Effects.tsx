/** The filter over a story's picture. */
import type { Layer } from "stories-client";
import { filter } from "../player/geometry";
import { t } from "../text";
import { Row } from "./LayerPanel";

const EFFECTS = ["none", "warm", "cool", "vivid", "fade", "mono"] as const;
export type Effect = (typeof EFFECTS)[number];

export const effectLayer = (name: Effect): Layer => ({
  kind: "effect",
  name,
  intensity: 1,
  x: 0.5,
  y: 0.5,
  w: 1,
  h: 1,
});
export const effectStyle = (name: Effect) => filter([effectLayer(name)]);

export function EffectRow({ effect, onChange }: { effect: Effect; onChange: (effect: Effect) => void }) {
  return (
    <Row label={t("filter")}>
      {EFFECTS.map((each) => (
        <button
          key={each}
          type="button"
          class="filter-chip"
          aria-pressed={each === effect}
          onClick={() => onChange(each)}
        >
          <span style={{ filter: effectStyle(each) }} />
          {t(`effect_${each}`)}
        </button>
      ))}
    </Row>
  );
}
