/** What is put on a story besides text: stickers, and those that people answer. */
import type { Layer } from "stories-client";
import { t } from "../text";
import { Select } from "../ui/forms";
import { EmojiButtons, Sheet } from "../ui/parts";

const STICKERS = ["❤️", "🔥", "✨", "😂", "😍", "🎉", "☀️", "🌊", "📍", "☕", "🎧", "🐾"];

const OPTIONS = [1, 2, 3, 4];

export type Adding = "sticker" | "poll" | "quiz" | "mention" | "hashtag" | "link" | "question" | "promo_code";

interface Props {
  kind: Adding;
  onAdd: (layer: Layer) => void;
  onClose: () => void;
}

export function AddSheet({ kind, onAdd, onClose }: Props) {
  const at = { x: 0.5, y: 0.5, rotation: 0 };
  if (kind === "sticker") {
    return (
      <Sheet title={t("sticker")} onClose={onClose}>
        <div class="stickers">
          <EmojiButtons
            of={STICKERS}
            onPick={(sticker_id) => onAdd({ ...at, kind: "sticker", sticker_id, w: 0.27, h: 0.15 })}
          />
        </div>
      </Sheet>
    );
  }
  const choice = kind === "poll" || kind === "quiz";
  return (
    <Sheet title={t(kind)} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          const text = String(form.get("text") ?? "").trim();
          if (!text) return;
          const options = form
            .getAll("option")
            .map(String)
            .map((each) => each.trim())
            .filter(Boolean);
          const made: Record<Exclude<Adding, "sticker">, () => Layer> = {
            poll: () => ({ ...at, kind: "poll", question: text, options, w: 0.72, h: 0.22 }),
            quiz: () => ({
              ...at,
              kind: "quiz",
              question: text,
              options,
              correct: Math.min(Number(form.get("correct") ?? 0), options.length - 1),
              w: 0.72,
              h: 0.22,
            }),
            promo_code: () => ({ ...at, kind: "promo_code", code: text, terms: null, url: null, w: 0.5, h: 0.07 }),
            question: () => ({ ...at, kind: "question", prompt: text, w: 0.72, h: 0.14 }),
            mention: () => ({ ...at, kind: "mention", user_id: text.replace(/^@/, ""), w: 0.5, h: 0.06 }),
            hashtag: () => ({ ...at, kind: "hashtag", tag: text.replace(/^#/, ""), w: 0.5, h: 0.06 }),
            link: () => ({
              ...at,
              kind: "link",
              url: /^https:\/\//.test(text) ? text : `https://${text}`,
              title: null,
              w: 0.6,
              h: 0.06,
            }),
          };
          if (!choice || options.length >= 2) onAdd(made[kind]());
        }}
      >
        <label>
          <span>{t(choice ? "question" : kind)}</span>
          <input
            name="text"
            maxLength={kind === "link" ? 2048 : kind === "promo_code" ? 64 : 200}
            required
            autocapitalize={kind === "mention" ? "off" : undefined}
            autocomplete="off"
          />
        </label>
        {choice &&
          OPTIONS.map((n) => (
            <label key={n}>
              <span>{t("option", { n })}</span>
              <input name="option" maxLength={80} required={n <= 2} />
            </label>
          ))}
        {kind === "quiz" && (
          <Select
            name="correct"
            label={t("rightOption")}
            options={OPTIONS.map((n) => [String(n - 1), t("option", { n })])}
          />
        )}
        <button type="submit" class="button primary">
          {t("add")}
        </button>
      </form>
    </Sheet>
  );
}
