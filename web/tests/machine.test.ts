/** The faults that other story players are known for, as tests of the state machine. */
import { describe, expect, test } from "vitest";
import {
  current,
  type Effect,
  type Event,
  fraction,
  open,
  PHOTO_MS,
  phase,
  type Reel,
  reduce,
  type Slide,
  type State,
  upcoming,
  watched,
} from "../src/player/machine";

const HOUR = 3_600_000;
const slide = (id: string, changes: Partial<Slide> = {}): Slide => ({
  id,
  kind: "photo",
  durationMs: 0,
  expiresAt: HOUR,
  seen: false,
  ...changes,
});
const reel = (author: string, ...ids: string[]): Reel => ({ author, slides: ids.map((id) => slide(id)) });

/** A player with its clock and everything that it wanted done. */
class Session {
  now = 1000;
  effects: Effect[] = [];
  constructor(public state: State) {}

  send(...events: Event[]): this {
    for (const event of events) {
      const [state, effects] = reduce(this.state, event, this.now);
      this.state = state;
      this.effects.push(...effects);
    }
    return this;
  }
  ready(): this {
    return this.send({ type: "ready", showing: this.state.showing });
  }
  after(ms: number): this {
    this.now += ms;
    return this.send({ type: "tick", wall: this.now });
  }
  get id() {
    return current(this.state)?.id;
  }
  get left() {
    return this.effects.filter((each) => each.type === "left");
  }
  get phase() {
    return phase(this.state);
  }
}
const play = (reels: Reel[], author = reels[0]?.author ?? "", auto = true) => new Session(open(reels, author, auto));
const next = { type: "next" } as const;
const back = { type: "back" } as const;
const hold = { type: "pause", reason: "hold" } as const;
const release = { type: "resume", reason: "hold" } as const;

describe("time", () => {
  test("does not run while media loads", () => {
    const session = play([reel("ann", "a", "b")]).after(60_000);
    expect(session.phase).toBe("loading");
    expect(session.id).toBe("a");
    session.ready().after(PHOTO_MS - 1);
    expect(session.id).toBe("a");
    session.after(1);
    expect(session.id).toBe("b");
  });

  test("stands still while a clip waits for data", () => {
    const session = play([{ author: "ann", slides: [slide("a", { kind: "video", durationMs: 8000 })] }])
      .ready()
      .after(1000);
    session.send({ type: "stalled", showing: 1 }).after(9000);
    expect(session.phase).toBe("loading");
    expect(watched(session.state, session.now)).toBe(1000);
    expect(session.ready().phase).toBe("playing");
  });

  test("goes on after a pause where it stopped", () => {
    const session = play([reel("ann", "a", "b")])
      .ready()
      .after(2000)
      .send(hold)
      .after(60_000);
    expect(fraction(session.state, session.now)).toBeCloseTo(0.4);
    session.send(release).after(2999);
    expect(session.id).toBe("a");
    expect(session.after(1).id).toBe("b");
  });

  test("needs every reason to pause taken away", () => {
    const session = play([reel("ann", "a")])
      .ready()
      .send({ type: "pause", reason: "hidden" }, hold, release);
    expect(session.phase).toBe("paused");
    expect(session.send({ type: "resume", reason: "hidden" }).phase).toBe("playing");
  });

  test("of a clip is the clip's own, against the length that the server measured", () => {
    const session = play([{ author: "ann", slides: [slide("a", { kind: "video", durationMs: 8000 })] }]).ready();
    session.after(5000).send({ type: "time", showing: 1, ms: 2000 });
    expect(fraction(session.state, session.now)).toBe(0.25);
    expect(session.after(60_000).id).toBe("a");
  });
});

describe("position", () => {
  test("fast taps end at the slide that was asked for", () => {
    const session = play([reel("ann", "a", "b", "c", "d")]).send(next, next, back, next, next);
    expect(session.id).toBe("d");
    expect(session.phase).toBe("loading");
  });

  test("media of an earlier showing changes nothing", () => {
    const session = play([reel("ann", "a", "b", "c")]).send(next);
    session.send(
      { type: "ready", showing: 1 },
      { type: "finished", showing: 1 },
      { type: "time", showing: 1, ms: 900 },
    );
    expect(session.id).toBe("b");
    expect(session.phase).toBe("loading");
    expect(session.state.position).toBe(0);
  });

  test("going back starts a clip at its beginning", () => {
    const clip = (id: string) => slide(id, { kind: "video", durationMs: 8000 });
    const session = play([{ author: "ann", slides: [clip("a"), clip("b")] }]).ready();
    session.send({ type: "time", showing: 1, ms: 7000 }, next, back);
    expect(session.id).toBe("a");
    expect(session.state.position).toBe(0);
    expect(session.effects.at(-1)).toEqual({ type: "entered", showing: 3 });
  });

  test("another author begins at what was not seen", () => {
    const session = play([reel("ann", "a"), { author: "bob", slides: [slide("b", { seen: true }), slide("c")] }]);
    expect(session.send({ type: "author", step: 1 }).id).toBe("c");
  });

  test("a swipe leaves the whole author behind", () => {
    const session = play([reel("ann", "a", "b"), reel("bob", "c")]).send({ type: "author", step: 1 });
    expect(session.id).toBe("c");
    expect(session.send({ type: "author", step: -1 }).id).toBe("a");
  });

  test("back on the very first story starts it again", () => {
    const session = play([reel("ann", "a")])
      .ready()
      .after(3000)
      .send(back);
    expect(session.id).toBe("a");
    expect(fraction(session.state, session.now)).toBe(0);
  });

  test("an author whose stories come later is waited for", () => {
    const session = play([{ author: "ann", slides: null }]);
    expect(session.phase).toBe("loading");
    session.send({ type: "loaded", author: "ann", slides: [slide("a"), slide("b")], start: "b" });
    expect(session.id).toBe("b");
  });

  test("an author without stories is passed over", () => {
    const session = play([{ author: "ann", slides: null }, reel("bob", "b")]);
    session.send({ type: "loaded", author: "ann", slides: [] });
    expect(session.id).toBe("b");
    const alone = play([{ author: "ann", slides: null }]).send({ type: "loaded", author: "ann", slides: [] });
    expect(alone.effects.at(-1)).toEqual({ type: "over" });
  });

  test("a reel that is read again keeps its place", () => {
    const session = play([reel("ann", "a", "b")])
      .send(next)
      .ready()
      .after(1000);
    session.send({ type: "loaded", author: "ann", slides: [slide("z"), slide("a"), slide("b")] });
    expect(session.id).toBe("b");
    expect(session.phase).toBe("playing");
  });
});

describe("views", () => {
  test("are reported once, by whichever way a story is left", () => {
    const ways: Event[] = [next, back, { type: "author", step: 1 }, { type: "close" }, { type: "gone", id: "b" }];
    for (const way of ways) {
      const session = play([reel("ann", "a", "b", "c"), reel("bob", "d")])
        .send(next)
        .ready()
        .after(1200)
        .send(way);
      expect(
        session.left.map((each) => each.id),
        way.type,
      ).toEqual(["b"]);
      expect(session.left[0]).toMatchObject({ watchedMs: 1200, completed: false, author: "ann" });
    }
  });

  test("are completed only when the story ran to its end", () => {
    const session = play([reel("ann", "a", "b")])
      .ready()
      .after(PHOTO_MS)
      .ready()
      .after(10)
      .send(next);
    expect(session.left.map((each) => each.completed)).toEqual([true, false]);
  });

  test("count no story whose media never showed", () => {
    expect(play([reel("ann", "a", "b")]).send(next, next).left).toEqual([]);
  });

  test("carry the taps of this showing alone", () => {
    const session = play([reel("ann", "a", "b")])
      .ready()
      .send(next)
      .ready()
      .send({ type: "close" });
    expect(session.left.map((each) => each.taps)).toEqual([
      { forward: 1, back: 0, exit: 0 },
      { forward: 0, back: 0, exit: 1 },
    ]);
  });

  test("do not count the time of a pause", () => {
    const session = play([reel("ann", "a")])
      .ready()
      .after(1000)
      .send(hold)
      .after(9000)
      .send(release)
      .after(500);
    expect(session.send({ type: "close" }).left[0]).toMatchObject({ watchedMs: 1500 });
  });
});

describe("the end", () => {
  test("comes once, and nothing happens after it", () => {
    const session = play([reel("ann", "a")])
      .ready()
      .send({ type: "close" }, { type: "close" }, next)
      .after(60_000);
    expect(session.effects.filter((each) => each.type === "over")).toHaveLength(1);
    expect(session.left).toHaveLength(1);
  });

  test("a tap on the last story closes, as running out does", () => {
    const tapped = play([reel("ann", "a")])
      .ready()
      .send(next);
    const ran = play([reel("ann", "a")])
      .ready()
      .after(PHOTO_MS);
    for (const session of [tapped, ran]) expect(session.effects.at(-1)).toEqual({ type: "over" });
  });

  test("a clip that reports its end twice moves on once", () => {
    const clip = (id: string) => slide(id, { kind: "video", durationMs: 900 });
    const session = play([{ author: "ann", slides: [clip("a"), clip("b"), clip("c")] }]).ready();
    session.send({ type: "finished", showing: 1 }, { type: "finished", showing: 1 });
    expect(session.id).toBe("b");
  });

  test("a story that ends while it is shown goes at once", () => {
    const ending = { author: "ann", slides: [slide("a", { expiresAt: 3000 }), slide("b")] };
    const session = play([ending]).ready().after(1999);
    expect(session.id).toBe("a");
    session.after(1);
    expect(session.id).toBe("b");
    expect(session.left).toMatchObject([{ id: "a", watchedMs: 2000, completed: false }]);
  });

  test("a paused story ends on time as well", () => {
    const session = play([{ author: "ann", slides: [slide("a", { expiresAt: 3000 })] }])
      .ready()
      .send(hold)
      .after(2000);
    expect(session.phase).toBe("over");
  });

  test("an earlier story that ends keeps the one that is shown", () => {
    const session = play([{ author: "ann", slides: [slide("a", { expiresAt: 2000 }), slide("b")] }])
      .send(next)
      .ready();
    session.after(1500);
    expect(session.id).toBe("b");
    expect(session.state.slide).toBe(0);
    expect(session.phase).toBe("playing");
  });

  test("a deleted story goes while it is shown", () => {
    const session = play([reel("ann", "a"), reel("bob", "b")])
      .ready()
      .send({ type: "gone", id: "a" });
    expect(session.id).toBe("b");
  });
});

describe("comfort", () => {
  test("with reduced motion nothing moves on by itself", () => {
    const session = play([reel("ann", "a", "b")], "ann", false)
      .ready()
      .after(PHOTO_MS);
    expect(session.id).toBe("a");
    expect(session.phase).toBe("paused");
    session.send(next);
    expect(session.id).toBe("b");
    expect(session.left[0]).toMatchObject({ completed: true });
  });

  test("a refused start of sound waits for a tap", () => {
    const session = play([reel("ann", "a")])
      .ready()
      .send({ type: "pause", reason: "blocked" });
    expect(session.phase).toBe("paused");
    expect(session.send({ type: "resume", reason: "blocked" }).phase).toBe("playing");
  });

  test("a pause by hand does not outlive the story, a hidden tab does", () => {
    const session = play([reel("ann", "a", "b", "c")])
      .ready()
      .send({ type: "pause", reason: "user" }, next)
      .ready();
    expect(session.phase).toBe("playing");
    session.send({ type: "pause", reason: "hidden" }, next).ready();
    expect(session.phase).toBe("paused");
  });

  test("two stories are loaded ahead, over the border of an author", () => {
    const session = play([reel("ann", "a", "b"), reel("bob", "c", "d")]);
    expect(upcoming(session.state).map((each) => each.id)).toEqual(["b", "c"]);
    expect(upcoming(play([reel("ann", "a")]).state)).toEqual([]);
  });
});
