/** How the chosen layer looks. */
import type { Layer } from "stories-client";
import { t } from "../text";
import { Slider } from "../ui/forms";

const COLORS = {
  white: "#FFFFFF",
  black: "#10131C",
  blue: "#2A6CFF",
  cyan: "#16C7FF",
  pink: "#FF4D8D",
  yellow: "#FFD23F",
  green: "#2BD67B",
};
const FONTS = ["classic", "modern", "neon", "typewriter", "strong"] as const;

export const newText = (): Layer => ({
  kind: "text",
  text: "",
  font: "modern",
  color: COLORS.white,
  background: null,
  align: "center",
  x: 0.5,
  y: 0.42,
  w: 0.82,
  h: 0.14,
});

interface Props {
  layer: Layer;
  onChange: (changes: Partial<Layer>) => void;
  onRemove: () => void;
  onDone: () => void;
}

export function LayerPanel({ layer, onChange, onRemove, onDone }: Props) {
  return (
    <section class="panel layer-panel" aria-label={layer.kind}>
      {layer.kind === "text" && (
        <>
          <textarea
            rows={2}
            maxLength={500}
            value={layer.text}
            placeholder={t("text_add")}
            aria-label={t("addText")}
            ref={(element) => void (element && !layer.text && element.focus())}
            onInput={(event) => onChange({ text: event.currentTarget.value })}
          />
          <Row label={t("font")}>
            {FONTS.map((font) => (
              <button
                key={font}
                type="button"
                class={`font-chip text ${font}`}
                aria-pressed={layer.font === font}
                onClick={() => onChange({ font })}
              >
                Aa
                <span class="hidden-text">{font}</span>
              </button>
            ))}
            <button
              type="button"
              class="font-chip boxed-chip"
              aria-pressed={Boolean(layer.background)}
              aria-label={t("color", { name: "□" })}
              onClick={() => onChange({ background: layer.background ? null : "#10131CCC" })}
            >
              A
            </button>
          </Row>
          <Row label={t("color", { name: "" })}>
            {Object.entries(COLORS).map(([name, color]) => (
              <button
                key={color}
                type="button"
                class="swatch"
                aria-label={t("color", { name })}
                aria-pressed={layer.color === color}
                style={{ background: color }}
                onClick={() => onChange({ color })}
              />
            ))}
          </Row>
        </>
      )}
      <div class="pair">
        <Slider
          label={t("size")}
          min={0.04}
          max={0.5}
          step={0.01}
          value={layer.h}
          onInput={(h) => onChange(layer.kind === "sticker" ? { h, w: Math.min(1, h * 1.78) } : { h })}
        />
        <Slider
          label={t("rotation")}
          min={-180}
          max={180}
          step={1}
          value={layer.rotation ?? 0}
          onInput={(rotation) => onChange({ rotation })}
        />
      </div>
      <div class="choices">
        <button type="button" class="button small danger" onClick={onRemove}>
          {t("remove")}
        </button>
        <button type="button" class="button small" onClick={onDone}>
          {t("apply")}
        </button>
      </div>
    </section>
  );
}

export function Row({ label, children }: { label: string; children: preact.ComponentChildren }) {
  return (
    <div class="chip-row" role="group" aria-label={label}>
      {children}
    </div>
  );
}
