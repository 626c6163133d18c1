/**
 * The player as a pure state machine. Time is an argument, media is somewhere else; what has to be done outside is
 * returned as effects. The position (`reel`, `slide`) is the truth, and everything that is shown follows it.
 */

export interface Slide {
  id: string;
  kind: "photo" | "video";
  /** Length of a clip in milliseconds; a photo is shown for `PHOTO_MS`. */
  durationMs: number;
  /** End of the story, wall clock in milliseconds. */
  expiresAt: number;
  seen: boolean;
}

export interface Reel {
  author: string;
  /** Null until it is loaded. */
  slides: readonly Slide[] | null;
}

/** Why the player stands still. A set: releasing a hold does not start a hidden tab. */
type Reason = "hold" | "hidden" | "sheet" | "user" | "blocked" | "end";

export interface State {
  reels: readonly Reel[];
  reel: number;
  slide: number;
  /** Number of this showing. Events of earlier showings are ignored. */
  showing: number;
  /** Whether the media of this showing can be shown. */
  ready: boolean;
  stalled: boolean;
  reasons: ReadonlySet<Reason>;
  /** Milliseconds watched before `since`. */
  watched: number;
  /** When it last began to run (monotonic), or null while it stands still. */
  since: number | null;
  /** Position in a clip by its own clock; photos go by what was watched. */
  position: number;
  taps: { forward: number; back: number; exit: number };
  /** False with reduced motion: nothing moves on by itself. */
  auto: boolean;
  direction: 1 | -1;
  over: boolean;
}

export type Event =
  | { type: "ready"; showing: number }
  | { type: "stalled"; showing: number }
  | { type: "time"; showing: number; ms: number }
  | { type: "finished"; showing: number }
  | { type: "pause"; reason: Reason }
  | { type: "resume"; reason: Reason }
  | { type: "next" }
  | { type: "back" }
  | { type: "author"; step: 1 | -1 }
  | { type: "loaded"; author: string; slides: readonly Slide[]; start?: string }
  | { type: "gone"; id: string }
  | { type: "tick"; wall: number }
  | { type: "close" };

/** A showing ended: report the view. Exactly one for every showing whose media was shown. */
export interface Left {
  type: "left";
  id: string;
  author: string;
  watchedMs: number;
  completed: boolean;
  taps: State["taps"];
  showing: number;
}

export type Effect =
  | Left
  /** Another slide is shown from its beginning. */
  | { type: "entered"; showing: number }
  /** The player is to be closed. Exactly once. */
  | { type: "over" };

export type Phase = "loading" | "playing" | "paused" | "over";

export const PHOTO_MS = 5000;
const NO_TAPS = { forward: 0, back: 0, exit: 0 };

/** A player at one author; `reels` are those to swipe through. */
export function open(reels: readonly Reel[], author: string, auto = true, start?: string): State {
  const reel = Math.max(
    0,
    reels.findIndex((each) => each.author === author),
  );
  const state: State = {
    reels,
    reel,
    slide: 0,
    showing: 1,
    ready: false,
    stalled: false,
    reasons: new Set(),
    watched: 0,
    since: null,
    position: 0,
    taps: NO_TAPS,
    auto,
    direction: 1,
    over: reels.length === 0,
  };
  return { ...state, slide: first(reels[reel]?.slides ?? null, start) };
}

export function current(state: State): Slide | null {
  return state.reels[state.reel]?.slides?.[state.slide] ?? null;
}

export function phase(state: State): Phase {
  if (state.over) return "over";
  if (!current(state) || !state.ready || state.stalled) return "loading";
  return state.reasons.size ? "paused" : "playing";
}

export function duration(slide: Slide): number {
  return slide.kind === "photo" ? PHOTO_MS : slide.durationMs;
}

/** Milliseconds that this showing has been watched. */
export function watched(state: State, now: number): number {
  return state.watched + (state.since === null ? 0 : now - state.since);
}

/** How much of the slide is over, 0 to 1. */
export function fraction(state: State, now: number): number {
  const slide = current(state);
  if (!slide) return 0;
  const ms = slide.kind === "photo" ? watched(state, now) : state.position;
  return Math.min(1, Math.max(0, ms / duration(slide)));
}

/** What is worth loading ahead: the next slide of this author, and the first of the next. */
export function upcoming(state: State): Slide[] {
  const reel = state.reels[state.reel];
  const after = state.reels[state.reel + 1]?.slides;
  const found = [reel?.slides?.[state.slide + 1], reel?.slides?.[state.slide + 2], after?.[first(after)]];
  return found.filter((each): each is Slide => Boolean(each)).slice(0, 2);
}

export function reduce(before: State, event: Event, now: number): [State, Effect[]] {
  if (before.over) return [before, []];
  const [after, effects] = step(before, event, now);
  return [clocked(after, now), effects];
}

function step(state: State, event: Event, now: number): [State, Effect[]] {
  switch (event.type) {
    case "ready":
      return [event.showing === state.showing ? { ...state, ready: true, stalled: false } : state, []];
    case "stalled":
      return [event.showing === state.showing ? { ...state, stalled: true } : state, []];
    case "time":
      return [event.showing === state.showing ? { ...state, position: event.ms } : state, []];
    case "finished":
      return event.showing === state.showing && state.ready ? finish(state, now) : [state, []];
    case "pause":
      return [{ ...state, reasons: new Set(state.reasons).add(event.reason) }, []];
    case "resume": {
      const reasons = new Set(state.reasons);
      reasons.delete(event.reason);
      return [{ ...state, reasons }, []];
    }
    case "next":
      return forward(tap(state, "forward"), now, state.reasons.has("end"));
    case "back":
      return back(tap(state, "back"), now);
    case "author":
      return state.reels[state.reel + event.step]
        ? go(tap(state, event.step > 0 ? "forward" : "back"), now, state.reel + event.step, null, event.step)
        : event.step > 0
          ? end(tap(state, "exit"), now, false)
          : [state, []];
    case "loaded":
      return loaded(state, event.author, event.slides, event.start, now);
    case "gone":
      return remove(state, new Set([event.id]), now);
    case "tick": {
      const ended = state.reels.flatMap((reel) => reel.slides ?? []).filter((each) => each.expiresAt <= event.wall);
      if (ended.length) return remove(state, new Set(ended.map((each) => each.id)), now);
      const slide = current(state);
      return slide?.kind === "photo" && phase(state) === "playing" && watched(state, now) >= PHOTO_MS
        ? finish(state, now)
        : [state, []];
    }
    case "close":
      return end(tap(state, "exit"), now, false);
  }
}

/** Start or stop the clock: it runs only while something is seen to play. */
function clocked(state: State, now: number): State {
  const running = phase(state) === "playing";
  if (running === (state.since !== null)) return state;
  return running ? { ...state, since: now } : { ...state, watched: watched(state, now), since: null };
}

function finish(state: State, now: number): [State, Effect[]] {
  if (!state.auto && !state.reasons.has("end")) return [{ ...state, reasons: new Set(state.reasons).add("end") }, []];
  return forward(state, now, true);
}

function forward(state: State, now: number, completed: boolean): [State, Effect[]] {
  const reel = state.reels[state.reel];
  if (reel?.slides && state.slide + 1 < reel.slides.length)
    return go(state, now, state.reel, state.slide + 1, 1, completed);
  if (state.reel + 1 < state.reels.length) return go(state, now, state.reel + 1, null, 1, completed);
  return end(state, now, completed);
}

function back(state: State, now: number): [State, Effect[]] {
  if (state.slide > 0) return go(state, now, state.reel, state.slide - 1, -1);
  if (state.reel > 0) return go(state, now, state.reel - 1, null, -1);
  return go(state, now, state.reel, 0, -1);
}

function go(
  state: State,
  now: number,
  reel: number,
  slide: number | null,
  direction: 1 | -1,
  completed = false,
): [State, Effect[]] {
  const reasons = new Set(
    [...state.reasons].filter((each) => each === "hidden" || each === "sheet" || each === "blocked"),
  );
  const showing = state.showing + 1;
  const next = {
    ...state,
    reel,
    slide: slide ?? first(state.reels[reel]?.slides ?? null),
    showing,
    reasons,
    direction,
  };
  const fresh = { ...next, ready: false, stalled: false, watched: 0, since: null, position: 0, taps: NO_TAPS };
  return skipEmpty(fresh, [...left(state, now, completed), { type: "entered", showing }]);
}

/** Authors who turn out to have no story are passed over, in the direction of travel. */
function skipEmpty(state: State, effects: Effect[]): [State, Effect[]] {
  let { reel } = state;
  while (state.reels[reel]?.slides?.length === 0) reel += state.direction;
  if (reel === state.reel) return [state, effects];
  if (!state.reels[reel])
    return [{ ...state, over: true }, [...effects.filter((each) => each.type !== "entered"), { type: "over" }]];
  return [{ ...state, reel, slide: first(state.reels[reel]?.slides ?? null) }, effects];
}

function loaded(
  state: State,
  author: string,
  slides: readonly Slide[],
  start: string | undefined,
  now: number,
): [State, Effect[]] {
  const before = current(state);
  const reels = state.reels.map((each) => (each.author === author ? { ...each, slides } : each));
  const here = state.reels[state.reel]?.author === author;
  const next = { ...state, reels };
  if (!here) return [next, []];
  if (!before)
    return skipEmpty({ ...next, slide: first(slides, start) }, [{ type: "entered", showing: state.showing }]);
  const at = slides.findIndex((each) => each.id === before.id);
  if (at >= 0) return [{ ...next, slide: at }, []];
  return remove(
    {
      ...state,
      reels: reels.map((each) => (each.author === author ? { ...each, slides: [before, ...slides] } : each)),
      slide: 0,
    },
    new Set([before.id]),
    now,
  );
}

function remove(state: State, ids: ReadonlySet<string>, now: number): [State, Effect[]] {
  const shown = current(state);
  const gone = shown !== null && ids.has(shown.id);
  const passed = state.reels[state.reel]?.slides?.slice(0, state.slide).filter((each) => ids.has(each.id)).length ?? 0;
  const reels = state.reels.map((reel) => ({
    ...reel,
    slides: reel.slides?.filter((each) => !ids.has(each.id)) ?? null,
  }));
  const next = { ...state, reels, slide: state.slide - passed };
  if (!gone) return [next, []];
  const effects = left(state, now, false);
  const rest = reels[state.reel]?.slides ?? [];
  const moved = { ...next, slide: Math.min(next.slide, Math.max(0, rest.length - 1)) };
  if (next.slide < rest.length)
    return [
      { ...go(moved, now, state.reel, next.slide, 1)[0] },
      [...effects, { type: "entered", showing: state.showing + 1 }],
    ];
  if (state.reel + 1 >= reels.length)
    return [{ ...next, over: true, since: null, watched: watched(state, now) }, [...effects, { type: "over" }]];
  const [after, further] = go({ ...moved, ready: false }, now, state.reel + 1, null, 1);
  return [after, [...effects, ...further]];
}

function end(state: State, now: number, completed: boolean): [State, Effect[]] {
  return [
    { ...state, over: true, watched: watched(state, now), since: null },
    [...left(state, now, completed), { type: "over" }],
  ];
}

/** The view of the showing that runs, as far as it went; nothing where nothing was shown. */
export function soFar(state: State, now: number): Left[] {
  return state.over ? [] : left(state, now, false);
}

function left(state: State, now: number, completed: boolean): Left[] {
  const slide = current(state);
  const reel = state.reels[state.reel];
  if (!slide || !reel || !state.ready) return [];
  const { showing, taps } = state;
  return [
    {
      type: "left",
      id: slide.id,
      author: reel.author,
      watchedMs: Math.round(watched(state, now)),
      completed,
      taps,
      showing,
    },
  ];
}

function tap(state: State, kind: keyof State["taps"]): State {
  return { ...state, taps: { ...state.taps, [kind]: state.taps[kind] + 1 } };
}

/** The slide that a reel begins with: the named one, else the first that was not seen. */
function first(slides: readonly Slide[] | null, start?: string): number {
  if (!slides) return 0;
  const named = start === undefined ? -1 : slides.findIndex((each) => each.id === start);
  return named >= 0
    ? named
    : Math.max(
        0,
        slides.findIndex((each) => !each.seen),
      );
}
