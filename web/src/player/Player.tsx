import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Item } from "stories-client";
import { lazyView } from "../lazyView";
import { endings, muted, session, tray } from "../state";
import { t } from "../text";
import { reducedMotion, useModal } from "../ui/hooks";
import { Avatar, Icon } from "../ui/parts";
import { Comments } from "../views/Comments";
import { BottomBar, type Panel } from "./BottomBar";
import { filter } from "./geometry";
import { Layers } from "./Layers";
import { begin, type Play, toggle } from "./session";
import { TapZones } from "./TapZones";
import { TopBar } from "./TopBar";

const Activity = lazyView(() => import("../views/Activity").then((chunk) => chunk.Activity), null);
const Menu = lazyView(() => import("./Panels").then((chunk) => chunk.Menu), null);

interface Props {
  author: string;
  authors: readonly string[];
  known?: readonly Item[];
  start?: string;
  onClose: () => void;
}

export function Player({ author: first, authors, known = [], start, onClose }: Props) {
  const over = useRef(onClose);
  over.current = onClose;
  const play = useMemo(() => begin({ author: first, authors, known, start, onOver: () => over.current() }), []);
  const dialog = useModal();
  const picture = useRef<HTMLDivElement>(null);
  const [panel, setPanel] = useState<Panel | null>(null);

  useEffect(() => {
    dialog.current?.focus(); // no control is marked before somebody asks for one
    return picture.current ? play.attach(picture.current) : undefined;
  }, []);
  useLayoutEffect(() => play.dispatch({ type: panel ? "pause" : "resume", reason: "sheet" }), [panel]);
  useEffect(() => {
    if (endings.value.author) void play.reload(endings.value.author);
  }, [endings.value.at]);

  const item = play.item.value;
  const author = play.state.peek().reels[play.reel.value]?.author ?? first;
  const own = author === session.value?.user;
  const ratio = item ? item.width / item.height : 9 / 16;
  const fitting = `frame ${ratio > 0.4 && ratio < 0.72 ? "cover" : "contain"}`;
  const close = () => play.dispatch({ type: "close" });
  const busy = (on: boolean) => play.dispatch({ type: on ? "pause" : "resume", reason: "sheet" });

  return (
    <dialog
      ref={dialog}
      class="player"
      tabIndex={-1}
      aria-label={t("author", { name: author })}
      onKeyDown={(event) => keys(event, play, () => setPanel("comments"))}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
    >
      {item?.poster_url && <img class="backdrop" key={item.id} src={item.poster_url} alt="" />}
      <Side play={play} step={-1} />
      <Stage play={play}>
        <div class={fitting} style={{ "--ratio": String(ratio) }}>
          <div class="picture" ref={picture} style={{ filter: item ? filter(item.layers) : "" }} />
        </div>
        <TapZones play={play} onClose={close} />
        <div class="scrim top" />
        <div class="scrim bottom" />
        {item && (
          <div class={`${fitting} above`} style={{ "--ratio": String(ratio) }} key={play.place.value}>
            <Layers item={item} layers={item.layers} ratio={ratio} own={own} onBusy={busy} />
          </div>
        )}
        {play.phase.value === "loading" && <div class="spinner" role="progressbar" aria-label={t("loading")} />}
        {play.reasons.value.includes("blocked") && (
          <button type="button" class="big-play" onClick={() => play.dispatch({ type: "resume", reason: "blocked" })}>
            <Icon name="play" filled />
            {t("tapToPlay")}
          </button>
        )}
        <TopBar play={play} author={author} own={own} onMenu={() => setPanel("menu")} onClose={close} />
        <BottomBar play={play} own={own} onPanel={setPanel} />
      </Stage>
      <Side play={play} step={1} />
      {panel === "comments" && item && <Comments item={item} own={own} onClose={() => setPanel(null)} />}
      {panel === "activity" && item && <Activity id={item.id} layers={item.layers} onClose={() => setPanel(null)} />}
      {panel === "menu" && item && (
        <Menu
          item={item}
          own={own}
          onClose={() => setPanel(null)}
          onGone={() => play.dispatch({ type: "gone", id: item.id })}
        />
      )}
    </dialog>
  );
}

function keys(event: KeyboardEvent, play: Play, comments: () => void): void {
  if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey) return;
  const rtl = document.dir === "rtl";
  const act: Record<string, () => void> = {
    ArrowRight: () => play.dispatch({ type: rtl ? "back" : "next" }),
    ArrowLeft: () => play.dispatch({ type: rtl ? "next" : "back" }),
    ArrowDown: () => play.dispatch({ type: "author", step: 1 }),
    ArrowUp: () => play.dispatch({ type: "author", step: -1 }),
    m: () => {
      muted.value = !muted.value;
    },
    c: comments,
    k: () => toggle(play),
  };
  if (event.key === " " && !(event.target instanceof HTMLButtonElement)) act[" "] = () => toggle(play);
  const chosen = act[event.key];
  if (!chosen) return;
  event.preventDefault();
  chosen();
}

/** Moves in from the side of travel when the author changes; the position is there before the movement. */
function Stage({ play, children }: { play: Play; children: preact.ComponentChildren }) {
  const stage = useRef<HTMLDivElement>(null);
  const opened = useRef(false);
  useEffect(() => {
    const from = opened.current
      ? `translateX(${play.state.peek().direction * 60}px) scale(.96)`
      : "translateY(40px) scale(.96)";
    opened.current = true;
    if (reducedMotion()) return;
    const moving = stage.current?.animate(
      [
        { transform: from, opacity: 0.2 },
        { transform: "none", opacity: 1 },
      ],
      {
        duration: 260,
        easing: "cubic-bezier(.2,.8,.2,1)",
      },
    );
    return () => moving?.cancel();
  }, [play.reel.value]);
  return (
    <div class="stage" ref={stage as RefObject<HTMLDivElement>}>
      {children}
    </div>
  );
}

/** The neighbour, on wide screens. */
function Side({ play, step }: { play: Play; step: 1 | -1 }) {
  const author = play.state.peek().reels[play.reel.value + step]?.author;
  if (!author) return <span class="side" />;
  const ring = tray.value?.items.find((each) => each.author_id === author);
  return (
    <button
      type="button"
      class="side card-side"
      aria-label={`${step > 0 ? t("nextAuthor") : t("backAuthor")}: ${author}`}
      onClick={() => play.dispatch({ type: "author", step })}
    >
      {ring?.poster_url && <img src={ring.poster_url} alt="" draggable={false} />}
      <span class="side-who">
        <Avatar user={author} size={52} />
        <b>{author}</b>
      </span>
    </button>
  );
}
