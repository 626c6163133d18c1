/** What the view behind the scenes makes of events. */
import { expect, test } from "vitest";
import {
  askedAt,
  behind,
  figuresOf,
  type Lane,
  type Life,
  lanesOf,
  length,
  lived,
  type Replica,
  storyOf,
  type Told,
} from "../src/scenes/model";

const ID = "01a22462-2d57-75f1-91b6-dca9808be16b";
const event = (topic: string, at: number, told: Told["told"] = {}, changes: Partial<Told> = {}): Told => ({
  topic,
  at,
  offset: `0:${at}`,
  key: ID,
  id: null,
  source: null,
  bytes: 2,
  tombstone: false,
  told: { story_id: ID, ...told },
  ...changes,
});
const live = (events: Told[]) =>
  events.reduce<Life | undefined>((life, each) => lived(life, storyOf(each) ?? "", each), undefined);
const WHOLE = [
  event("story-posted", 10, { author_id: "ann", expires_at: "1970-01-01T00:00:01.000Z" }),
  event("story-viewed", 20, { viewer_id: "bob" }),
  event("story-reacted", 30, { user_id: "bob", emoji: "🔥" }),
  event("story-expired", 1000),
  event("story-erased", 1100, { store: "feed" }),
  event("story-posted", 1150, {}, { tombstone: true, told: {} }),
  event("story-erased", 1200, { store: "media" }),
  event("story-erased", 1300, { store: "engagement" }),
];

test("a story is followed from the POST to the tombstone", () => {
  const life = live(WHOLE);
  const kinds = life?.steps.map((step) => step.kind).filter((kind) => kind !== "asked");
  expect(kinds).toEqual(["live", "seen", "reacted", "ended", "erased", "tombstone", "erased", "erased", "complete"]);
  expect(life).toMatchObject({
    author: "ann",
    live: 10,
    expires: 1000,
    ended: 1000,
    how: "expired",
    complete: 1300,
    tombstone: 1150,
  });
});

test("an id tells when somebody asked for the story", () => {
  expect(new Date(askedAt(ID)).toISOString().slice(0, 4)).toBe("2026");
});

test("events that come again change nothing", () => {
  const once = live(WHOLE);
  expect(live([...WHOLE, ...WHOLE.slice(1)])?.steps.length).toBe(once?.steps.length);
});

test("a receipt is complete with the last of three stores, not before", () => {
  expect(live(WHOLE.slice(0, -1))?.complete).toBeNull();
});

test("a story whose beginning nobody saw still ends", () => {
  expect(live(WHOLE.slice(3))).toMatchObject({ live: null, how: "expired", complete: 1300 });
});

test("what is about no story is no life", () => {
  expect(storyOf(event("user-followed", 1, { story_id: undefined }))).toBeNull();
  expect(lived(undefined, ID, event("story-engaged", 1))).toBeUndefined();
});

test("every topic has one lane, with all of its services", () => {
  const lanes = lanesOf({
    "story-posted": { writers: ["ingest"], readers: ["feed", "expiry"] },
    "user-followed": { writers: ["feed"], readers: ["feed"] },
    "user-blocked": { writers: ["feed"], readers: ["engagement"] },
    "user-erased": { writers: ["expiry"], readers: ["ingest"] },
    "something-new": { writers: [], readers: [] },
  });
  expect(lanes.map((lane) => [lane.name, lane.topics.length])).toEqual([
    ["story-posted", 1],
    ["people", 2],
    ["accounts", 1],
    ["others", 1],
  ]);
  expect(lanes[1]?.readers).toEqual(["feed", "engagement"]);
});

test("replicas add up, but for what each of them counts whole", () => {
  const replicas = [
    { name: "feed", ready: 1, live_stories: 4, live_connections: 2, behind: { "story-posted": 1 } },
    { name: "feed-2", ready: 0, live_stories: 4, live_connections: 3, behind: { "story-posted": 2 } },
    { name: "expiry", ready: 1, timers: 9, behind: {} },
  ] as Replica[];
  expect(figuresOf("feed", replicas)).toMatchObject({
    ready: 1,
    replicas: 2,
    values: { live_stories: 4, live_connections: 5 },
  });
  expect(behind({ topics: ["story-posted"] } as Lane, replicas)).toBe(3);
});

test("lifetimes have a length", () => {
  expect(["20s", "1.5m", "24h", "1d"].map(length)).toEqual([20_000, 90_000, 86_400_000, 86_400_000]);
});
