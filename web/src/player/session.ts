/** The state machine with everything around it: media, reels, renewal, reports of views. */
import { computed, signal } from "@preact/signals";
import type { Item } from "stories-client";
import { explain, markSeen, muted, say, session } from "../state";
import { t } from "../text";
import { reducedMotion } from "../ui/hooks";
import {
  current,
  type Event,
  fraction,
  type Left,
  open,
  phase,
  type Reel,
  reduce,
  type Slide,
  type State,
  soFar,
  upcoming,
} from "./machine";
import { Media, type MediaEvents } from "./media";

const TICK_MS = 50;

const slideOf = (item: Item): Slide => ({
  id: item.id,
  kind: item.kind as Slide["kind"],
  durationMs: item.duration_ms ?? 0,
  expiresAt: Date.parse(item.expires_at),
  seen: item.seen,
});

interface Opening {
  author: string;
  authors: readonly string[];
  /** Items that are known already, such as those of For You. */
  known: readonly Item[];
  start?: string;
  onOver: () => void;
}

export type Play = ReturnType<typeof begin>;

export function begin({ author, authors, known, start, onOver }: Opening) {
  const signedIn = session.peek();
  if (!signedIn) throw new Error("nobody is signed in");
  const { api, views, user } = signedIn;
  const items = new Map<string, Item>(known.map((item) => [item.id, item]));
  const plays = new Map<number, string>();
  const loading = new Set<string>();
  const reels: Reel[] = authors.map((each) => {
    const own = known.filter((item) => item.author_id === each);
    return { author: each, slides: own.length ? own.map(slideOf) : null };
  });
  const state = signal<State>(open(reels, author, !reducedMotion(), start));
  const cue = signal("");
  let renewed = 0;
  let media: Media | null = null;
  let detached = false;

  function dispatch(event: Event): void {
    const before = state.peek();
    const [after, effects] = reduce(before, event, performance.now());
    state.value = after;
    for (const effect of effects) {
      if (effect.type === "left") report(effect);
      if (effect.type === "over" && !detached) onOver();
    }
    if (effects.some((each) => each.type === "entered")) void enter();
    else if (phase(before) !== phase(after)) {
      if (phase(after) === "playing") media?.play(events(after.showing));
      else if (phase(after) !== "loading" || after.reasons.size) media?.pause();
    }
  }

  function report(left: Left) {
    const item = items.get(left.id);
    if (!item || left.author === user) return;
    const play_id = plays.get(left.showing) ?? crypto.randomUUID();
    const watched_ms = Math.min(left.watchedMs, 3_600_000);
    views.add({ ticket: item.ticket, play_id, watched_ms, completed: left.completed, taps: left.taps });
    item.seen = true;
    const reel = state.peek().reels.find((each) => each.author === left.author);
    if (reel?.slides?.every((each) => items.get(each.id)?.seen)) markSeen(left.author);
  }

  /** A hidden page may be closed without another sign, so the play is reported as far as it went. */
  function hidden(): void {
    dispatch({ type: document.hidden ? "pause" : "resume", reason: "hidden" });
    if (!document.hidden) return;
    for (const play of soFar(state.peek(), performance.now())) report(play);
    void views.flush(true);
  }

  const events = (showing: number): MediaEvents => ({
    ready: () => {
      dispatch({ type: "ready", showing });
      media?.preload(upcoming(state.peek()).flatMap((each) => items.get(each.id) ?? []));
    },
    stalled: () => dispatch({ type: "stalled", showing }),
    time: (ms) => dispatch({ type: "time", showing, ms }),
    finished: () => dispatch({ type: "finished", showing }),
    refused: () => dispatch({ type: "pause", reason: "blocked" }),
    cue: (text) => {
      cue.value = text;
    },
    failed: () => void renew(showing),
  });

  /** Show the slide that the state names, with URLs that last. */
  async function enter(): Promise<void> {
    const { showing, reel } = state.peek();
    media?.clear(); // what was shown before is not under the name that comes
    cue.value = "";
    plays.set(showing, crypto.randomUUID());
    void load(state.peek().reels[reel]?.author);
    void load(state.peek().reels[reel + 1]?.author);
    const slide = current(state.peek());
    const item = slide && items.get(slide.id);
    if (!item) return;
    const fresh = await api.fresh(item).catch(() => item);
    if (state.peek().showing !== showing || state.peek().over) return;
    if (!fresh) return dispatch({ type: "gone", id: item.id });
    Object.assign(item, fresh, { seen: item.seen });
    media?.show(item, events(showing));
  }

  /** Media failed: read the story again, once. What still does not play is shown as its poster. */
  async function renew(showing: number): Promise<void> {
    const item = items.get(current(state.peek())?.id ?? "");
    if (!item || state.peek().showing !== showing) return;
    if (renewed === showing) {
      say(t("cannotPlay"));
      return media?.show(
        { ...item, kind: "photo", media_url: item.poster_url },
        { ...events(showing), failed: () => undefined },
      );
    }
    renewed = showing;
    const again = await api.renewed(item).catch(() => item);
    if (state.peek().showing !== showing) return;
    if (!again) return dispatch({ type: "gone", id: item.id });
    Object.assign(item, again);
    media?.show(item, events(showing));
  }

  async function load(who: string | undefined, again = false): Promise<void> {
    const reel = state.peek().reels.find((each) => each.author === who);
    if (!who || !reel || (reel.slides && !again) || loading.has(who)) return;
    loading.add(who);
    try {
      const read = await api.reel(who);
      for (const item of read) items.set(item.id, Object.assign(items.get(item.id) ?? item, item));
      dispatch({ type: "loaded", author: who, slides: read.map(slideOf), start });
    } catch (error) {
      say(explain(error));
      if (!reel.slides) dispatch({ type: "loaded", author: who, slides: [] });
    } finally {
      loading.delete(who);
    }
  }

  return {
    state,
    cue,
    dispatch,
    reload: (who: string) => load(who, true),
    item: computed(() => items.get(current(state.value)?.id ?? "") ?? null),
    phase: computed(() => phase(state.value)),
    /** Changes when another slide is shown, and not while it plays. */
    place: computed(() => `${state.value.reel}/${state.value.slide}/${state.value.showing}`),
    parts: computed(() => (state.value.reels[state.value.reel]?.slides ?? []).map((each) => each.id).join(" ")),
    reel: computed(() => state.value.reel),
    reasons: computed(() => [...state.value.reasons].sort().join(" ")),
    /** How much of the story is over, 0 to 1: of a clip by its own clock. */
    progress(): number {
      const at = state.peek().ready ? media?.position() : undefined;
      return fraction(at === undefined ? state.peek() : { ...state.peek(), position: at }, performance.now());
    },
    attach(stage: HTMLElement): () => void {
      media = new Media(stage);
      const off = muted.subscribe((silent) => media?.setMuted(silent));
      document.addEventListener("visibilitychange", hidden);
      hidden();
      void enter();
      const timer = setInterval(() => dispatch({ type: "tick", wall: Date.now() }), TICK_MS);
      return () => {
        detached = true; // a link, or the way back: the view counts, and nobody is to close what has gone
        dispatch({ type: "close" });
        clearInterval(timer);
        document.removeEventListener("visibilitychange", hidden);
        off();
        media?.close();
        media = null;
      };
    },
  };
}

/** Pause, or go on from whatever the player stands still for. */
export function toggle(play: Play): void {
  const { reasons } = play.state.peek();
  if (reasons.has("end")) return play.dispatch({ type: "next" });
  const still = (["user", "blocked"] as const).filter((each) => reasons.has(each));
  if (!still.length) return play.dispatch({ type: "pause", reason: "user" });
  for (const reason of still) play.dispatch({ type: "resume", reason });
}
