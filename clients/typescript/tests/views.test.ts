import { expect, test, vi } from "vitest";
import { ViewQueue } from "../src/index.ts";

const view = (play_id: string, watched_ms: number, completed = false) => ({ ticket: "t", play_id, watched_ms, completed });
const memory = (kept = new Map<string, string>()) => ({
  getItem: (key: string) => kept.get(key) ?? null,
  setItem: (key: string, value: string) => void kept.set(key, value),
});

test("a play that is reported twice is sent once, with the most of both", async () => {
  const sent: unknown[] = [];
  const queue = new ViewQueue({ send: async (views) => (sent.push(...views), "done") });
  queue.add(view("play-0001", 3000, true));
  queue.add(view("play-0001", 1000));
  await queue.flush();
  expect(sent).toEqual([view("play-0001", 3000, true)]);
  expect(queue.size).toBe(0);
});

test("views outlive a failed request and a reload", async () => {
  const storage = memory();
  const offline = new ViewQueue({ send: async () => "retry", storage });
  offline.add(view("play-0001", 500));
  await offline.flush();
  expect(offline.size).toBe(1);
  const sent: unknown[] = [];
  const next = new ViewQueue({ send: async (views) => (sent.push(...views), "done"), storage });
  await next.flush();
  expect(sent).toEqual([view("play-0001", 500)]);
  expect(new ViewQueue({ send: async () => "done", storage }).size).toBe(0);
});

test("at most a hundred views are sent at a time", async () => {
  const sizes: number[] = [];
  const queue = new ViewQueue({ send: async (views) => (sizes.push(views.length), "done") });
  for (let number = 0; number < 150; number++) queue.add(view(`play-${1000 + number}`, 1));
  await queue.flush();
  await queue.flush();
  expect(sizes).toEqual([100, 50]);
});

test("more of a play that comes while it is sent is not lost", async () => {
  let answer: (result: "done") => void = () => undefined;
  const queue = new ViewQueue({ send: () => new Promise((resolve) => (answer = resolve)) });
  queue.add(view("play-0001", 100));
  const sending = queue.flush();
  queue.add(view("play-0001", 900));
  answer("done");
  await sending;
  expect(queue.size).toBe(1);
});

test("a hidden page sends what waits with keepalive", () => {
  const send = vi.fn(async () => "done" as const);
  const queue = new ViewQueue({ send });
  const page = Object.assign(new EventTarget(), { visibilityState: "hidden" }) as unknown as Document;
  const stop = queue.attach(page, new EventTarget());
  queue.add(view("play-0001", 100));
  page.dispatchEvent(new Event("visibilitychange"));
  expect(send).toHaveBeenCalledWith([view("play-0001", 100)], true);
  stop();
});
