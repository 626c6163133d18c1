import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Item } from "stories-client";
import { later } from "../later";
import { attempt, captionsOn, endings, following, muted, session, setFollowing, tray } from "../state";
import { span, t } from "../text";
import { Avatar, Icon, IconButton, reducedMotion, useNow } from "../ui/parts";
import { Comments } from "../views/Comments";
import { filter } from "./geometry";
import { Layers } from "./Layers";
import { current, duration } from "./machine";
import { begin, type Play } from "./session";
import { share } from "./share";

const Activity = later(() => import("../views/Activity").then((chunk) => chunk.Activity), null);
const Menu = later(() => import("./Panels").then((chunk) => chunk.Menu), null);
const Picker = later(() => import("./Panels").then((chunk) => chunk.Picker), null);
const QUICK = ["❤️", "🔥", "😂", "😮", "😢", "👏"];
const HOLD_MS = 200;
const SWIPE_PX = 60;
const COUNT_MS = 3000;

type Panel = "comments" | "menu" | "activity";

export interface PlayerProps {
  author: string;
  authors: readonly string[];
  known?: readonly Item[];
  start?: string;
  onClose: () => void;
}

export function Player({ author: first, authors, known = [], start, onClose }: PlayerProps) {
  const over = useRef(onClose);
  over.current = onClose;
  const play = useMemo(() => begin({ author: first, authors, known, start, onOver: () => over.current() }), []);
  const dialog = useRef<HTMLDialogElement>(null);
  const picture = useRef<HTMLDivElement>(null);
  const [panel, setPanel] = useState<Panel | null>(null);

  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    dialog.current?.showModal();
    dialog.current?.focus(); // no control is marked before somebody asks for one
    const detach = picture.current ? play.attach(picture.current) : undefined;
    return () => {
      detach?.();
      dialog.current?.close();
      before?.focus?.();
    };
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
        <Zones play={play} onClose={close} />
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
        <Top play={play} author={author} own={own} onMenu={() => setPanel("menu")} onClose={close} />
        <Bottom play={play} own={own} onPanel={setPanel} />
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

function toggle(play: Play): void {
  const { reasons } = play.state.peek();
  if (reasons.has("end")) return play.dispatch({ type: "next" });
  const still = (["user", "blocked"] as const).filter((each) => reasons.has(each));
  if (!still.length) return play.dispatch({ type: "pause", reason: "user" });
  for (const reason of still) play.dispatch({ type: "resume", reason });
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

/** One bar for each part. The running one is animated by the browser, so that we draw nothing per frame. */
function Bars({ play }: { play: Play }) {
  const bar = useRef<HTMLElement>(null);
  const running = play.phase.value;
  const place = play.place.value;
  const parts = play.parts.value.split(" ").filter(Boolean);
  const at = play.state.peek().slide;
  useEffect(() => {
    const shown = current(play.state.peek());
    if (!shown || !bar.current) return;
    const done = play.progress();
    const animation = bar.current.animate([{ transform: `scaleX(${done})` }, { transform: "scaleX(1)" }], {
      duration: Math.max(1, duration(shown) * (1 - done)),
      fill: "both",
    });
    if (running !== "playing") animation.pause();
    return () => animation.cancel();
  }, [place, running, play.parts.value]);
  return (
    <div class="bars" aria-hidden="true">
      {parts.map((id, index) => (
        <span key={id} class={index < at ? "full" : ""}>
          <i ref={index === at ? bar : undefined} />
        </span>
      ))}
    </div>
  );
}

interface TopProps {
  play: Play;
  author: string;
  own: boolean;
  onMenu: () => void;
  onClose: () => void;
}

function Top({ play, author, own, onMenu, onClose }: TopProps) {
  const item = play.item.value;
  const still = /user|end/.test(play.reasons.value);
  const total = play.parts.value.split(" ").filter(Boolean).length;
  return (
    <header class="player-top">
      <Bars play={play} />
      <div class="player-head">
        <Avatar user={author} size={36} />
        <div class="who">
          <span class="line">
            <b>{own ? t("yours") : <a href={`#/p/${encodeURIComponent(author)}`}>{author}</a>}</b>
            {item && <Ago item={item} />}
          </span>
          {item && <Countdown item={item} />}
        </div>
        {!own && item && !following.value.has(author) && (
          <button type="button" class="follow" onClick={() => void setFollowing(author, true)}>
            {t("follow")}
          </button>
        )}
        <span class="spread" />
        {item?.captions_track && (
          <IconButton
            icon="captions"
            label={t("captions")}
            pressed={captionsOn.value}
            onClick={() => {
              captionsOn.value = !captionsOn.value;
            }}
          />
        )}
        {item?.has_audio && (
          <IconButton
            icon={muted.value ? "volume-x" : "volume-2"}
            label={muted.value ? t("soundOn") : t("soundOff")}
            onClick={() => {
              muted.value = !muted.value;
            }}
          />
        )}
        <IconButton
          icon={still ? "play" : "pause"}
          filled
          label={still ? t("play") : t("pause")}
          onClick={() => toggle(play)}
        />
        <IconButton icon="ellipsis" label={t("more")} onClick={onMenu} />
        <IconButton icon="x" label={t("close")} onClick={onClose} />
      </div>
      <p class="hidden-text" aria-live="polite">
        {item && t("storyOf", { name: author, n: play.state.peek().slide + 1, total })}
      </p>
    </header>
  );
}

function Ago({ item }: { item: Item }) {
  return <span class="ago">{span(useNow(10_000) - Date.parse(item.posted_at))}</span>;
}

function Countdown({ item }: { item: Item }) {
  const left = Date.parse(item.expires_at) - useNow(1000);
  return (
    <span class={`left ${left < 60_000 ? "soon" : ""}`}>
      {item.audience === "close_friends" && <Icon name="star" filled />}
      {(item.audience === "friends" || item.audience === "followers") && <Icon name="users" />}
      {t("left", { time: span(left) })}
    </span>
  );
}

/** Taps, holds and swipes. The zones lie under the layers, so that stickers stay usable. */
function Zones({ play, onClose }: { play: Play; onClose: () => void }) {
  const start = useRef<{ x: number; y: number; moved: boolean; held: boolean; timer: number } | null>(null);
  const swallow = useRef(false);
  const stageOf = (event: PointerEvent) => (event.currentTarget as HTMLElement).closest<HTMLElement>(".stage");
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    swallow.current = false;
    const timer = window.setTimeout(() => {
      if (start.current) start.current.held = true;
      play.dispatch({ type: "pause", reason: "hold" });
    }, HOLD_MS);
    start.current = { x: event.clientX, y: event.clientY, moved: false, held: false, timer };
    (event.target as HTMLElement).setPointerCapture(event.pointerId);
  };
  const move = (event: PointerEvent) => {
    const begun = start.current;
    if (!begun) return;
    const dx = event.clientX - begun.x;
    const dy = event.clientY - begun.y;
    if (Math.hypot(dx, dy) > 12) begun.moved = true;
    const stage = stageOf(event);
    if (!begun.moved || !stage) return;
    stage.style.transform =
      Math.abs(dx) > Math.abs(dy) ? `translateX(${dx * 0.6}px)` : `translateY(${Math.max(0, dy) * 0.6}px)`;
  };
  const up = (event: PointerEvent) => {
    const begun = start.current;
    start.current = null;
    if (!begun) return;
    clearTimeout(begun.timer);
    const stage = stageOf(event);
    if (stage) stage.style.transform = "";
    if (begun.held) play.dispatch({ type: "resume", reason: "hold" });
    swallow.current = begun.held || begun.moved;
    if (!begun.moved || event.type === "pointercancel") return;
    const dx = event.clientX - begun.x;
    const dy = event.clientY - begun.y;
    const forward = document.dir === "rtl" ? dx > 0 : dx < 0;
    if (Math.abs(dx) > Math.abs(dy) && Math.abs(dx) > SWIPE_PX)
      play.dispatch({ type: "author", step: forward ? 1 : -1 });
    else if (dy > SWIPE_PX * 1.5) onClose();
  };
  const tap = (type: "next" | "back") => () => {
    if (!swallow.current) play.dispatch({ type });
    swallow.current = false;
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: touches only; the buttons and keys do the same
    <div
      class="zones"
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={up}
      onContextMenu={(event) => event.preventDefault()}
    >
      <button type="button" class="zone back" aria-label={t("back")} onClick={tap("back")} />
      <button type="button" class="zone next" aria-label={t("next")} onClick={tap("next")} />
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

function Bottom({ play, own, onPanel }: { play: Play; own: boolean; onPanel: (panel: Panel) => void }) {
  const item = play.item.value;
  const [mine, setMine] = useState<string | null>(null);
  const [counts, setCounts] = useState<{ comments: number; viewers: number } | null>(null);
  const [quick, setQuick] = useState(false);
  const [picking, setPicking] = useState(false);
  const { api } = session.value ?? {};
  useEffect(() => {
    setMine(null);
    setCounts(null);
    setQuick(false);
    if (!item || !api) return;
    let shown = true;
    api.reactions(item).then(
      (found) => shown && setMine(found.mine ?? null),
      () => undefined,
    );
    const count = () =>
      api.counts(item).then(
        (found) => shown && setCounts(found),
        () => undefined,
      );
    void count();
    const timer = setInterval(count, COUNT_MS);
    return () => {
      shown = false;
      clearInterval(timer);
    };
  }, [item?.id]);
  if (!item || !api) return <footer class="player-bottom" />;
  const choose = (on: boolean) => {
    setQuick(on);
    play.dispatch({ type: on ? "pause" : "resume", reason: "sheet" });
  };
  const react = async (emoji: string) => {
    const next = emoji === mine ? null : emoji;
    choose(false);
    setPicking(false);
    setMine(next);
    if (next) burst(next);
    if ((await attempt(api.react(item, next).then(() => true))) === null) setMine(mine);
  };
  return (
    <footer class="player-bottom">
      {play.cue.value && captionsOn.value && <p class="cue">{play.cue.value}</p>}
      {item.caption && <p class="caption-line">{item.caption}</p>}
      <div class="actions">
        {own && (
          <button type="button" class="activity" onClick={() => onPanel("activity")}>
            <Icon name="eye" />
            <b>{counts?.viewers ?? 0}</b> {t("viewers")}
          </button>
        )}
        {!own && item.can.comment ? (
          <button type="button" class="comment-field" onClick={() => onPanel("comments")}>
            <span>{t("addComment")}</span>
            {counts?.comments ? <b>{counts.comments}</b> : null}
          </button>
        ) : (
          <span class="spread" />
        )}
        {own && <IconButton icon="message-circle" label={t("comments")} onClick={() => onPanel("comments")} />}
        {!own && item.can.react && (
          <div class="react">
            {quick && (
              <div class="quick" role="group" aria-label={t("react")}>
                {QUICK.map((emoji) => (
                  <button
                    key={emoji}
                    type="button"
                    aria-label={emoji}
                    aria-pressed={mine === emoji}
                    onClick={() => void react(emoji)}
                  >
                    {emoji}
                  </button>
                ))}
                <button
                  type="button"
                  aria-label={t("more")}
                  onClick={() => {
                    setQuick(false);
                    setPicking(true);
                  }}
                >
                  <Icon name="plus" />
                </button>
              </div>
            )}
            {picking && (
              <Picker
                mine={mine}
                onPick={(emoji) => void react(emoji)}
                onClose={() => {
                  setPicking(false);
                  choose(false);
                }}
              />
            )}
            <button
              type="button"
              class="icon-button"
              aria-label={mine ? t("reacted", { emoji: mine }) : t("like")}
              aria-expanded={quick}
              onClick={() => choose(!quick)}
            >
              {mine ? <span class="mine-emoji">{mine}</span> : <Icon name="heart" />}
            </button>
          </div>
        )}
        {item.can.share && <IconButton icon="send" label={t("share")} onClick={() => void share(item)} />}
      </div>
    </footer>
  );
}

/** A reaction flies up. */
function burst(emoji: string): void {
  const stage = document.querySelector(".stage");
  if (!stage || reducedMotion()) return;
  for (let number = 0; number < 7; number++) {
    const each = document.createElement("span");
    each.className = "burst";
    each.textContent = emoji;
    each.style.left = `${55 + Math.random() * 36}%`;
    stage.append(each);
    const flight = each.animate(
      [
        { transform: "translateY(0) scale(.4)", opacity: 0 },
        { transform: "translateY(-60px) scale(1.1)", opacity: 1, offset: 0.25 },
        { transform: `translate(${Math.random() * 60 - 30}px, ${-220 - Math.random() * 160}px) scale(.9)`, opacity: 0 },
      ],
      { duration: 1100 + Math.random() * 700, delay: number * 60, easing: "cubic-bezier(.2,.7,.3,1)", fill: "both" },
    );
    flight.onfinish = () => each.remove();
  }
}
