// @vitest-environment happy-dom
/** Faults of other story players that show in elements: the player over a server and a browser that do as they are told. */
import { render } from "preact";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Item, type Stories, type View, ViewQueue } from "../../clients/typescript/src/index";
import { Player } from "../src/player/Player";
import { muted, session } from "../src/state";

const HOUR = 3_600_000;

function story(id: string, author: string, changes: Partial<Item> = {}): Item {
  const later = new Date(Date.now() + HOUR).toISOString();
  const times = { posted_at: new Date().toISOString(), expires_at: later, urls_expire_at: later };
  const media = { media_url: `https://media/${id}`, poster_url: `https://media/${id}.jpg`, width: 1080, height: 1920 };
  const may = { can: { comment: true, react: true, share: true }, layers: [], seen: false, ticket: id };
  return {
    id,
    author_id: author,
    kind: "photo",
    caption: id,
    ...times,
    ...media,
    ...may,
    ...changes,
  } as unknown as Item;
}
const clip = (id: string, author: string) =>
  story(id, author, { kind: "video", duration_ms: 8000, has_audio: true } as Partial<Item>);

/** Pictures load when they are told to, and clips play with sound, without it, or not at all. */
class Browser {
  loading = new Map<string, () => void>();
  plays: "with sound" | "muted" | "never" = "with sound";
  bars: { from: number; duration: number }[] = [];

  constructor() {
    const browser = this;
    vi.spyOn(HTMLImageElement.prototype, "decode").mockImplementation(function (this: HTMLImageElement) {
      return new Promise((resolve) => browser.loading.set(this.src, resolve));
    });
    vi.spyOn(HTMLMediaElement.prototype, "play").mockImplementation(async function (this: HTMLMediaElement) {
      const allowed = browser.plays === "with sound" || (browser.plays === "muted" && this.muted);
      if (!allowed) throw new DOMException("not allowed", "NotAllowedError");
    });
    vi.spyOn(HTMLMediaElement.prototype, "load").mockImplementation(() => undefined);
    Element.prototype.animate = function (this: Element, frames: Keyframe[], options: { duration: number }) {
      if (this.closest(".bars"))
        browser.bars.push({ from: Number(/[\d.]+/.exec(String(frames[0]?.transform))), duration: options.duration });
      return { pause: () => undefined, cancel: () => undefined } as unknown as Animation;
    } as unknown as Element["animate"];
  }

  async load(id: string): Promise<void> {
    this.loading.get(`https://media/${id}`)?.();
    await settle();
  }
}

const settle = (ms = 100) => vi.advanceTimersByTimeAsync(ms);
const find = <T extends Element>(selector: string) => document.querySelector<T>(selector);
const shown = () => [...document.querySelectorAll<HTMLImageElement | HTMLVideoElement>(".picture > *")];
const named = (label: string) => find<HTMLElement>(`.player [aria-label="${label}"]`);
const video = () => find<HTMLVideoElement>(".picture > video") as HTMLVideoElement;
const caption = () => find(".caption-line")?.textContent;

let browser: Browser;
let root: HTMLElement;
let reels: Record<string, Item[]>;
/** Authors whose stories are answered later. */
let gates: Map<string, Promise<void>>;
let sent: View[];
let closed: number;

beforeEach(() => {
  vi.useFakeTimers();
  browser = new Browser();
  root = document.body.appendChild(document.createElement("div"));
  [reels, gates, sent, closed] = [{}, new Map(), [], 0];
  muted.value = true;
  const api = {
    reel: async (author: string) => {
      await gates.get(author);
      return reels[author] ?? [];
    },
    fresh: async (item: Item) => item,
    renewed: async (item: Item) => item,
    reactions: async () => ({ mine: null }),
    counts: async () => ({ comments: 0, viewers: 0 }),
  } as unknown as Stories;
  const views = new ViewQueue({
    send: async (batch) => {
      sent.push(...batch);
      return "done";
    },
    delay: 0,
  });
  session.value = { user: "bob", api, views, admin: false, development: true };
});

afterEach(() => {
  render(null, root);
  root.remove();
  session.value = null;
  document.dir = "";
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** Let the stories of an author wait; returns what lets them go. */
function gate(author: string): () => void {
  let go: () => void = () => undefined;
  gates.set(author, new Promise((resolve) => (go = resolve)));
  return () => go();
}
async function open(...authors: string[]): Promise<void> {
  render(<Player author={authors[0] ?? ""} authors={authors} onClose={() => closed++} />, root);
  await settle();
}
async function press(key: string, target: Element | null = find(".player")): Promise<void> {
  target?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  await settle();
}
async function starts(): Promise<void> {
  video().dispatchEvent(new Event("canplay"));
  await settle();
}

describe("what is shown", () => {
  test("fast taps show the story that was asked for, whatever loads first", async () => {
    reels.ann = ["a", "b", "c", "d"].map((id) => story(id, "ann"));
    await open("ann");
    for (let taps = 0; taps < 3; taps++) await press("ArrowRight");
    for (const id of ["b", "a", "c"]) await browser.load(id);
    expect(shown().map((each) => each.getAttribute("src"))).toEqual(["https://media/d"]);
    expect(find(".stage > .spinner")).not.toBeNull();
    await browser.load("d");
    expect(find(".stage > .spinner")).toBeNull();
    expect(caption()).toBe("d");
  });

  test("the next story plays when one moves on from the row of reactions", async () => {
    reels.ann = ["a", "b", "c"].map((id) => story(id, "ann"));
    await open("ann");
    await browser.load("a");
    named("React")?.click();
    await settle();
    expect(find(".quick")).not.toBeNull();
    await press("ArrowRight");
    expect(find(".quick")).toBeNull();
    await browser.load("b");
    await settle(5100);
    expect(caption()).toBe("c");
  });

  test("a swipe leaves nothing of the author before, even while the next one loads", async () => {
    reels.ann = [clip("a", "ann"), clip("b", "ann")];
    reels.cal = [story("c", "cal")];
    const answer = gate("cal");
    await open("ann", "cal");
    await starts();
    const pause = vi.spyOn(video(), "pause");
    await press("ArrowDown");
    expect(shown()).toEqual([]);
    expect(pause).toHaveBeenCalled();
    answer();
    await settle();
    expect(caption()).toBe("c");
    expect(find(".bars")?.children).toHaveLength(1);
  });

  test("a player that is opened again begins at the author it was opened for", async () => {
    reels.ann = [story("a", "ann"), story("b", "ann")];
    reels.cal = [story("c", "cal")];
    await open("ann", "cal");
    await press("ArrowRight");
    render(null, root);
    await open("cal");
    expect(caption()).toBe("c");
    expect(find(".bars")?.children).toHaveLength(1);
  });

  test("going back starts a clip at its beginning, not where it was left", async () => {
    reels.ann = [clip("a", "ann"), clip("b", "ann")];
    await open("ann");
    await starts();
    video().currentTime = 5;
    await press("ArrowRight");
    await press("ArrowLeft");
    expect(video().getAttribute("src")).toBe("https://media/a");
    expect(video().currentTime).toBe(0);
  });
});

describe("the bar", () => {
  test("is as long as the clip, and goes on after a pause at the clip's own time", async () => {
    reels.ann = [clip("a", "ann")];
    await open("ann");
    await starts();
    expect(browser.bars.at(-1)).toEqual({ from: 0, duration: 8000 });
    video().currentTime = 2;
    await press("k");
    expect(browser.bars.at(-1)).toEqual({ from: 0.25, duration: 6000 });
    await settle(5000);
    await press("k");
    expect(browser.bars.at(-1)).toEqual({ from: 0.25, duration: 6000 });
  });

  test("moves without a change to the page on every frame", async () => {
    reels.ann = [story("a", "ann")];
    await open("ann");
    await browser.load("a");
    const changes: MutationRecord[] = [];
    const observer = new MutationObserver((records) => changes.push(...records));
    observer.observe(find(".bars") as Element, { subtree: true, childList: true, attributes: true });
    await settle(3000);
    observer.disconnect();
    expect(changes).toEqual([]);
  });
});

describe("views", () => {
  test("are reported once when a link leads away from the player, and it closes nothing", async () => {
    reels.ann = [story("a", "ann")];
    await open("ann");
    await browser.load("a");
    await settle(2000);
    render(null, root);
    await settle(20_000);
    expect(sent).toHaveLength(1);
    expect(sent[0]?.watched_ms).toBeGreaterThanOrEqual(2000);
    expect(closed).toBe(0);
  });

  test("are sent when the page is hidden, and stay one play afterwards", async () => {
    reels.ann = [story("a", "ann")];
    await open("ann");
    await browser.load("a");
    await settle(1000);
    const visibility = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    document.dispatchEvent(new Event("visibilitychange"));
    await settle();
    expect(sent).toHaveLength(1);
    visibility.mockReturnValue(false);
    document.dispatchEvent(new Event("visibilitychange"));
    await settle(10_000);
    expect(closed).toBe(1);
    expect(new Set(sent.map((each) => each.play_id)).size).toBe(1);
    expect(sent.at(-1)).toMatchObject({ completed: true });
  });

  test("leave no seen mark in the browser: the server keeps them", async () => {
    reels.ann = [story("a", "ann")];
    await open("ann");
    await browser.load("a");
    await press("ArrowRight");
    expect(closed).toBe(1);
    expect(Object.keys(localStorage).filter((each) => /seen|ann/.test(each))).toEqual([]);
  });
});

describe("sound", () => {
  test("that is refused does not stop the clip: it plays muted, and a button turns sound on", async () => {
    reels.ann = [clip("a", "ann")];
    muted.value = false;
    browser.plays = "muted";
    await open("ann");
    await starts();
    expect(video().muted).toBe(true);
    expect(find(".big-play")).toBeNull();
    named("Mute")?.click();
    await settle();
    browser.plays = "with sound";
    named("Turn sound on")?.click();
    await settle();
    expect(video().muted).toBe(false);
  });

  test("stays on for the next clip, which plays in one of few elements", async () => {
    reels.ann = ["a", "b", "c", "d", "e"].map((id) => clip(id, "ann"));
    await open("ann");
    const used = new Set<Element>();
    named("Turn sound on")?.click();
    for (const id of ["a", "b", "c", "d", "e"]) {
      expect(caption()).toBe(id);
      await starts();
      used.add(video());
      expect(video().muted).toBe(false);
      await press("ArrowRight");
    }
    expect(used.size).toBeLessThanOrEqual(3);
  });

  test("or no sound, a browser that starts nothing by itself gets a button over the poster", async () => {
    reels.ann = [clip("a", "ann"), clip("b", "ann")];
    browser.plays = "never";
    await open("ann");
    await starts();
    await settle(20_000);
    expect(caption()).toBe("a");
    browser.plays = "with sound";
    find<HTMLElement>(".big-play")?.click();
    await settle();
    expect(find(".big-play")).toBeNull();
  });
});

describe("loading ahead", () => {
  const asked = () => [...browser.loading.keys()].map((each) => each.replace("https://media/", ""));

  test("waits for the first story, and takes the next two alone", async () => {
    const made: string[] = [];
    const { createElement } = document;
    vi.spyOn(document, "createElement").mockImplementation(((name: string) => {
      made.push(name);
      return createElement.call(document, name);
    }) as typeof document.createElement);
    reels.ann = [story("a", "ann"), ...["b", "c", "d", "e"].map((id) => clip(id, "ann"))];
    await open("ann");
    expect(asked()).toEqual(["a"]);
    expect(made).not.toContain("video");
    await browser.load("a");
    expect(made.filter((each) => each === "video")).toHaveLength(2);
  });

  test("takes no clip where data is saved", async () => {
    const made = vi.spyOn(document, "createElement");
    Object.defineProperty(navigator, "connection", { value: { saveData: true }, configurable: true });
    reels.ann = [story("a", "ann"), clip("b", "ann")];
    await open("ann");
    await browser.load("a");
    expect(made.mock.calls.map(([name]) => name)).not.toContain("video");
    Object.defineProperty(navigator, "connection", { value: undefined, configurable: true });
  });
});

describe("hands and keys", () => {
  test("from right to left the arrows and swipes change sides", async () => {
    reels.ann = [story("a", "ann"), story("b", "ann")];
    reels.cal = [story("c", "cal")];
    document.dir = "rtl";
    await open("ann", "cal");
    await press("ArrowLeft");
    expect(caption()).toBe("b");
    await press("ArrowRight");
    expect(caption()).toBe("a");
    const zone = find<HTMLElement>(".zone.next") as HTMLElement;
    zone.setPointerCapture = () => undefined;
    for (const [type, clientX] of [
      ["pointerdown", 100],
      ["pointermove", 200],
      ["pointerup", 260],
    ] as const)
      zone.dispatchEvent(new PointerEvent(type, { clientX, clientY: 300, button: 0, bubbles: true }));
    await settle();
    expect(caption()).toBe("c");
  });

  test("every control has a name, each story is announced, and focus goes back to the ring", async () => {
    reels.ann = [story("a", "ann"), story("b", "ann")];
    const ring = document.body.appendChild(document.createElement("button"));
    ring.focus();
    await open("ann");
    const nameless = [...document.querySelectorAll(".player button")].filter(
      (each) => !(each.getAttribute("aria-label") ?? each.textContent?.trim()),
    );
    expect(nameless).toEqual([]);
    for (const label of ["Previous story", "Next story", "Pause", "Close"]) expect(named(label), label).not.toBeNull();
    const spoken = find(".player [aria-live=polite]");
    expect(spoken?.textContent).toBe("ann, story 1 of 2");
    await press("ArrowRight");
    expect(find(".player [aria-live=polite]")).toBe(spoken);
    expect(spoken?.textContent).toBe("ann, story 2 of 2");
    render(null, root);
    await settle();
    expect(document.activeElement).toBe(ring);
    ring.remove();
  });

  test("keys belong to the player while it is open, and never to what is typed", async () => {
    reels.ann = [story("a", "ann"), story("b", "ann")];
    await open("ann");
    await press("ArrowRight", document.body);
    expect(caption()).toBe("a");
    const field = find(".player")?.appendChild(document.createElement("input")) ?? null;
    await press("ArrowRight", field);
    await press("m", field);
    expect([caption(), muted.value]).toEqual(["a", true]);
    render(null, root);
    await press("m", document.body);
    expect(muted.value).toBe(true);
  });
});
