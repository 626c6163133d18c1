/** What is known of the services, their topics and the life of each story, from what the stack tells. */

export const SERVICES = ["ingest", "feed", "engagement", "expiry"] as const;
export type Service = (typeof SERVICES)[number];
export const STORES = ["media", "feed", "engagement"] as const;

/** An event as the stack tells it: without what somebody wrote. */
export interface Told {
  topic: string;
  offset: string;
  /** Milliseconds, by the broker's clock. */
  at: number;
  key: string | null;
  id: string | null;
  source: Service | null;
  bytes: number;
  tombstone: boolean;
  told: Record<string, string | number | undefined>;
}

export type Topics = Record<string, { writers: Service[]; readers: Service[] }>;

export type Replica = { name: string; ready: number; behind: Record<string, number> } & Record<string, unknown>;

/** Topics that share a lane, in the order of a story's life; the first that matches. */
const GROUPS: [string, RegExp][] = [
  ["story-posted", /^story-posted$/],
  ["story-viewed", /^story-viewed$/],
  ["story-engaged", /^story-engaged$/],
  ["reactions", /^(story-reacted|comment-\w+)$/],
  ["notices", /^(user-mentioned|story-notified)$/],
  ["story-expired", /^story-expired$/],
  ["story-deleted", /^story-deleted$/],
  ["story-erased", /^story-erased$/],
  ["story-insights-sealed", /^story-insights-sealed$/],
  ["people", /^user-(?!erased$|data-erased$|suspended$)/],
  ["accounts", /^user-/],
  ["others", /./],
];

export interface Lane {
  name: string;
  topics: string[];
  writers: Service[];
  readers: Service[];
}

export function lanesOf(topics: Topics): Lane[] {
  const names = Object.keys(topics);
  const groupOf = (topic: string) => GROUPS.find(([, pattern]) => pattern.test(topic))?.[0];
  const union = (mine: string[], side: "writers" | "readers") =>
    SERVICES.filter((each) => mine.some((topic) => topics[topic]?.[side].includes(each)));
  return GROUPS.map(([name]) => {
    const mine = names.filter((topic) => groupOf(topic) === name);
    return { name, topics: mine, writers: union(mine, "writers"), readers: union(mine, "readers") };
  }).filter((lane) => lane.topics.length > 0);
}

/** What was counted once is the same on every replica; the rest adds up. */
const SAME_EVERYWHERE = /^(outbox_pending|live_stories|live_authors|timers|timers_overdue|receipts_open\.\w+)$/;

export interface Figures {
  ready: number;
  replicas: number;
  values: Record<string, number>;
}

export function figuresOf(service: Service, replicas: readonly Replica[]): Figures {
  const mine = replicas.filter((each) => each.name === service || each.name.startsWith(`${service}-`));
  const values: Record<string, number> = {};
  for (const replica of mine) {
    for (const [name, value] of Object.entries(replica)) {
      if (typeof value !== "number") continue;
      values[name] = SAME_EVERYWHERE.test(name) ? Math.max(values[name] ?? 0, value) : (values[name] ?? 0) + value;
    }
  }
  return { ready: mine.filter((each) => each.ready === 1).length, replicas: mine.length, values };
}

/** Records of a lane that somebody has yet to read. */
export function behind(lane: Lane, replicas: readonly Replica[]): number {
  const one = (replica: Replica) => lane.topics.reduce((sum, topic) => sum + (replica.behind[topic] ?? 0), 0);
  return replicas.reduce((sum, replica) => sum + one(replica), 0);
}

// The life of a story

type StepKind =
  | "asked"
  | "live"
  | "changed"
  | "seen"
  | "reacted"
  | "commented"
  | "told"
  | "ended"
  | "erased"
  | "sealed"
  | "complete"
  | "tombstone";

export interface Step {
  kind: StepKind;
  at: number;
  service: Service | null;
  /** The person, store or reason. */
  who: string;
  emoji?: string;
}

export interface Life {
  id: string;
  author: string;
  asked: number;
  live: number | null;
  expires: number | null;
  ended: number | null;
  how: "expired" | "deleted" | null;
  erased: Partial<Record<(typeof STORES)[number], number>>;
  complete: number | null;
  tombstone: number | null;
  steps: Step[];
}

const STEPS: Record<string, [StepKind, (told: Told["told"]) => unknown]> = {
  "story-posted": ["live", (told) => told.author_id],
  "story-viewed": ["seen", (told) => told.viewer_id],
  "story-reacted": ["reacted", (told) => told.user_id],
  "comment-created": ["commented", (told) => told.user_id],
  "user-mentioned": ["told", (told) => told.user_id],
  "story-expired": ["ended", () => "expired"],
  "story-deleted": ["ended", (told) => `deleted ${told.by ?? ""}`],
  "story-erased": ["erased", (told) => told.store],
  "story-insights-sealed": ["sealed", () => ""],
};

/** The story that an event is about. */
export function storyOf(event: Told): string | null {
  const id = event.tombstone ? event.topic === "story-posted" && event.key : event.told.story_id;
  return typeof id === "string" && id ? id : null;
}

/** When somebody asked for the story: its id begins with that time. */
export function askedAt(id: string): number {
  const time = Number.parseInt(id.replace(/-/g, "").slice(0, 12), 16);
  return Number.isFinite(time) ? time : 0;
}

/** The story's life with one more event, or as it was where the event tells nothing new. */
export function lived(before: Life | undefined, id: string, event: Told): Life | undefined {
  const [kind, whom] = event.tombstone ? (["tombstone", () => ""] as const) : (STEPS[event.topic] ?? []);
  if (!kind || !whom) return before;
  const asked = askedAt(id);
  const life: Life = before ?? {
    id,
    author: "",
    asked,
    live: null,
    expires: null,
    ended: null,
    how: null,
    erased: {},
    complete: null,
    tombstone: null,
    steps: [{ kind: "asked", at: asked, service: "ingest", who: "" }],
  };
  const { told, at } = event;
  const step: Step = {
    kind: kind === "live" && life.live ? "changed" : kind,
    at,
    service: event.source,
    who: String(whom(told) ?? "").trim(),
  };
  if (typeof told.emoji === "string") step.emoji = told.emoji;
  const known = (each: Step) =>
    each.kind === step.kind && each.who === step.who && (step.kind !== "changed" || each.at === at);
  if (life.steps.some(known)) return life;
  const next: Life = { ...life, erased: { ...life.erased }, steps: [...life.steps, step] };
  if (typeof told.author_id === "string" && told.author_id) next.author = told.author_id;
  if (kind === "live") {
    next.live ??= at;
    if (typeof told.expires_at === "string") next.expires = Date.parse(told.expires_at);
  }
  if (kind === "ended") {
    next.ended ??= at;
    next.how ??= event.topic === "story-expired" ? "expired" : "deleted";
  }
  if (kind === "tombstone") next.tombstone ??= at;
  const store = STORES.find((each) => kind === "erased" && each === told.store);
  if (store) next.erased[store] ??= at;
  if (next.complete === null && STORES.every((each) => next.erased[each])) {
    next.complete = Math.max(...STORES.map((each) => next.erased[each] ?? 0));
    next.steps.push({ kind: "complete", at: next.complete, service: "expiry", who: "" });
  }
  next.steps.sort((one, other) => one.at - other.at);
  return next;
}

/** How long `20s`, `1m`, `24h` are. */
export function length(lifetime: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(lifetime) ?? [];
  return Number(amount ?? Infinity) * ({ s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit ?? "d"] ?? 1);
}
