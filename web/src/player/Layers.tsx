import { useEffect, useRef, useState } from "preact/hooks";
import type { Item, Layer, StickerAnswer } from "stories-client";
import { attempt, go, say, session } from "../state";
import { t } from "../text";
import { Icon } from "../ui/parts";
import { fit, frame } from "./geometry";

interface Props {
  item: Item;
  layers: readonly Layer[];
  ratio: number;
  own: boolean;
  /** Shown, and not to be used. */
  inert?: boolean;
  /** Tells the player to stand still while somebody writes. */
  onBusy?: (busy: boolean) => void;
}

/** A story's layers, drawn from their data over the picture. */
export function Layers({ layers, inert, ...rest }: Props) {
  return (
    <div class="layers" inert={inert}>
      {[...layers]
        .sort((a, b) => (a.z ?? 0) - (b.z ?? 0))
        .map((layer, index) => (
          <div key={layer.id ?? index} class={`layer ${layer.kind}`} style={frame(layer)}>
            <Content layer={layer} {...rest} />
          </div>
        ))}
    </div>
  );
}

export function Content({ layer, item, ratio, own, onBusy }: { layer: Layer } & Omit<Props, "layers" | "inert">) {
  switch (layer.kind) {
    case "text":
    case "caption":
      return <TextLayer layer={layer} ratio={ratio} />;
    case "sticker":
      return (
        <span class="emoji" style={{ fontSize: `${Math.min(layer.h * 100, layer.w * ratio * 100) * 0.8}cqh` }}>
          {layer.sticker_id}
        </span>
      );
    case "mention":
      return (
        <button type="button" class="pill" onClick={() => go(`/u/${encodeURIComponent(layer.user_id)}`)}>
          <b>@</b>
          {layer.user_id}
        </button>
      );
    case "hashtag":
      return (
        <button type="button" class="pill" onClick={() => go(`/tag/${encodeURIComponent(layer.tag)}`)}>
          <b>#</b>
          {layer.tag}
        </button>
      );
    case "link":
      return (
        <a
          class="pill"
          href={/^https:/.test(layer.url) ? layer.url : undefined}
          target="_blank"
          rel="noopener noreferrer nofollow"
        >
          <Icon name="link" />
          {layer.title ?? layer.url.replace(/^https:\/\/(www\.)?/, "").split("/")[0]}
        </a>
      );
    case "music":
      return (
        <span class="pill music">
          <Icon name="music" />
          <span>
            <b>{layer.title}</b>
            <small>{layer.artist}</small>
          </span>
        </span>
      );
    case "promo_code":
      return (
        <button
          type="button"
          class="pill promo"
          onClick={() => {
            void navigator.clipboard?.writeText(layer.code);
            say(t("promoCopied"));
            if (layer.id && !own) session.value?.api.answer(item, layer.id, { copied: true }).catch(() => undefined);
          }}
        >
          <Icon name="copy" />
          <b>{layer.code}</b>
        </button>
      );
    case "poll":
    case "quiz":
      return <Choice layer={layer} item={item} own={own} />;
    case "question":
      return <Question layer={layer} item={item} own={own} onBusy={onBusy} />;
    default:
      return null;
  }
}

function TextLayer({ layer, ratio }: { layer: Extract<Layer, { kind: "text" | "caption" }>; ratio: number }) {
  const style =
    layer.kind === "text" ? layer : { font: "classic", color: null, background: "#000000A0", align: "center" as const };
  return (
    <p
      class={`text ${style.font ?? "classic"} ${style.background ? "boxed" : ""}`}
      style={{
        color: style.color ?? "#FFFFFF",
        "--box": style.background ?? "transparent",
        "--glow": style.color ?? "#FFFFFF",
        textAlign: style.align ?? "center",
        fontSize: `${fit(layer.text, layer.w, layer.h, ratio, style.font === "strong" ? 0.72 : 0.58)}cqh`,
      }}
    >
      <span>{layer.text}</span>
    </p>
  );
}

const TALLY_MS = 3000;

/** A poll or a quiz. Once answered it shows how others answered, as it changes; to its author from the beginning. */
function Choice({ layer, item, own }: { layer: Extract<Layer, { kind: "poll" | "quiz" }>; item: Item; own: boolean }) {
  const [answer, setAnswer] = useState<Partial<StickerAnswer> | null>(null);
  const [chosen, setChosen] = useState<number | null>(null);
  const asked = useRef(Promise.resolve());
  const votes = answer?.tallies ?? [];
  const total = votes.reduce((sum, each) => sum + each, 0);
  const final = layer.kind === "quiz" && chosen !== null;
  const { api } = session.value ?? {};
  /** One call after the other, so that the last choice is the one that stays. */
  const after = (call: () => Promise<void>) => {
    asked.current = asked.current.then(call);
  };
  const choose = (option: number) => {
    const { id } = layer;
    if (!api || !id || own || final) return;
    const before = chosen;
    setChosen(option);
    after(async () => {
      const result = await attempt(api.answer(item, id, { option }));
      if (result) setAnswer(result);
      else setChosen(before);
    });
  };
  useEffect(() => {
    const { id } = layer;
    if (!api || !id || !item.id || (!own && chosen === null)) return;
    const path = `/v1/stories/${item.id}/answers`;
    const read = () => {
      if (document.hidden) return;
      after(() =>
        (own
          ? api.call<{ tallies: number[] }>("GET", path, { query: { layer_id: id, limit: 1 } })
          : api.answer(item, id, { option: chosen ?? 0 })
        ) // the same answer again changes nothing, and is counted once
          .then(
            (found) => setAnswer((known) => ({ ...known, tallies: found.tallies })),
            () => undefined,
          ),
      );
    };
    if (own) read();
    const timer = setInterval(read, TALLY_MS);
    return () => clearInterval(timer);
  }, [item.id, layer.id, own, chosen]);
  return (
    <fieldset class="card choice">
      <legend>{layer.question}</legend>
      {layer.options.map((option, index) => {
        const share = total ? Math.round(((votes[index] ?? 0) / total) * 100) : 0;
        const right = layer.kind === "quiz" && answer && chosen !== null ? answer.correct === index : null;
        const mark = right ? "right" : right === false && chosen === index ? "wrong" : "";
        return (
          <button
            key={option}
            type="button"
            class={`${chosen === index ? "mine" : ""} ${mark}`}
            aria-pressed={chosen === index}
            disabled={own || final}
            style={{ "--share": answer ? `${share}%` : "0%" }}
            onClick={() => choose(index)}
          >
            <span>{option}</span>
            {answer && <span class="votes">{t("votes", { n: share })}</span>}
          </button>
        );
      })}
    </fieldset>
  );
}

type QuestionProps = { layer: Extract<Layer, { kind: "question" }>; item: Item; own: boolean; onBusy: Props["onBusy"] };

function Question({ layer, item, own, onBusy }: QuestionProps) {
  const [sent, setSent] = useState(false);
  return (
    <form
      class="card question"
      onSubmit={async (event) => {
        event.preventDefault();
        const input = event.currentTarget.elements.namedItem("text") as HTMLInputElement;
        const { api } = session.value ?? {};
        if (!api || !layer.id || !input.value.trim()) return;
        if (await attempt(api.answer(item, layer.id, { text: input.value }))) setSent(true);
        input.blur();
      }}
    >
      <b>{layer.prompt}</b>
      {sent ? (
        <span class="sent">
          <Icon name="check" />
        </span>
      ) : (
        <input
          name="text"
          maxLength={500}
          disabled={own}
          placeholder={t("write")}
          aria-label={layer.prompt}
          onFocus={() => onBusy?.(true)}
          onBlur={() => onBusy?.(false)}
        />
      )}
    </form>
  );
}
