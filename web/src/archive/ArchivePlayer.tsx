/** Stories that are over, shown one by one: no timer, no views, no answers. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Get, Item } from "stories-client";
import { Layers } from "../player/Layers";
import { language, t as tr } from "../text";
import { useModal } from "../ui/hooks";
import { Icon, IconButton } from "../ui/parts";
import { t } from "./text";

export type Archived = Get<"/v1/me/archive">["items"][number];

export const day = (time: string) =>
  new Intl.DateTimeFormat(language.value, { day: "numeric", month: "short", year: "numeric" }).format(Date.parse(time));

export const label = (item: Archived) =>
  [t("of", { date: day(item.posted_at) }), item.alt_text ?? item.caption].filter(Boolean).join(": ");

interface Props {
  title: string;
  items: readonly Archived[];
  start?: number;
  onClose: () => void;
  actions?: (item: Archived) => preact.ComponentChildren;
  children?: preact.ComponentChildren;
}

export function ArchivePlayer({ title, items, start = 0, onClose, actions, children }: Props) {
  const [at, setAt] = useState(start);
  const dialog = useModal();
  const item = items[Math.min(at, items.length - 1)];
  useEffect(() => {
    if (!item) onClose();
  }, [item]);
  if (!item) return null;
  const ratio = item.width / item.height;
  const step = (by: number) => {
    if (at + by >= items.length) onClose();
    else setAt(Math.max(0, at + by));
  };
  return (
    <dialog
      ref={dialog}
      class="show"
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        if (event.target === dialog.current) onClose();
      }}
      onKeyDown={(event) => {
        const forward = document.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
        if (event.key === forward) step(1);
        else if (event.key === "ArrowLeft" || event.key === "ArrowRight") step(-1);
      }}
    >
      <div class="show-frame">
        <div class="picture" style={{ "--ratio": String(ratio) }}>
          {item.kind === "video" ? (
            <Clip key={item.id} item={item} />
          ) : (
            <img
              key={item.id}
              src={item.media_url}
              alt={item.alt_text ?? item.caption ?? t("of", { date: day(item.posted_at) })}
            />
          )}
          <Layers layers={item.layers} item={{} as Item} ratio={ratio} own inert />
        </div>
        <header class="show-head">
          <b class="clip">{title}</b>
          <small role="status">{t("part", { n: Math.min(at, items.length - 1) + 1, total: items.length })}</small>
          <span class="spread" />
          {actions?.(item)}
          <IconButton icon="x" label={tr("close")} onClick={onClose} />
        </header>
        <footer class="show-foot">
          {item.caption && <p class="caption-line">{item.caption}</p>}
          <small>{day(item.posted_at)}</small>
        </footer>
        <button type="button" class="turn back" aria-label={t("back")} disabled={at === 0} onClick={() => step(-1)}>
          <Icon name="chevron-left" />
        </button>
        <button type="button" class="turn next" aria-label={t("next")} onClick={() => step(1)}>
          <Icon name="chevron-left" />
        </button>
      </div>
      {children}
    </dialog>
  );
}

function Clip({ item }: { item: Archived }) {
  const captions = useMemo(() => {
    return item.captions_track && URL.createObjectURL(new Blob([item.captions_track], { type: "text/vtt" }));
  }, [item.captions_track]);
  useEffect(() => () => void (captions && URL.revokeObjectURL(captions)), [captions]);
  return (
    // biome-ignore lint/a11y/useMediaCaption: captions where the author gave some
    <video src={item.media_url} poster={item.poster_url} controls autoplay playsInline>
      {captions && <track default kind="captions" src={captions} />}
    </video>
  );
}
