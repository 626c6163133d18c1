/** The service worker keeps the shell, and nothing that could be deleted. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeEach, expect, test } from "vitest";

const source = readFileSync(fileURLToPath(new URL("../public/sw.js", import.meta.url)), "utf8");
const ORIGIN = "https://stories.example";

let kept: Map<string, Response>;
let online: boolean;
let pageText: string;
let heard: Record<string, (event: unknown) => void>;

beforeEach(() => {
  kept = new Map();
  online = true;
  pageText = "one";
  heard = {};
  const cache = {
    match: async (key: string) => kept.get(key)?.clone(),
    put: async (key: string, answer: Response) => void kept.set(key, answer),
  };
  const caches = { open: async () => cache, delete: async () => kept.clear() };
  const fetch = async () => {
    if (!online) throw new TypeError("offline");
    return new Response(pageText);
  };
  const self = {
    location: { origin: ORIGIN },
    addEventListener: (name: string, act: (event: unknown) => void) => (heard[name] = act),
  };
  new Function("self", "caches", "fetch", source)(self, caches, fetch);
});

/** What the worker answers; undefined where it leaves the request alone. */
async function ask(url: string, { mode = "cors", method = "GET", headers = {} } = {}): Promise<string | undefined> {
  let answer: Promise<Response> | undefined;
  const request = { url: new URL(url, ORIGIN).href, method, mode, headers: new Headers(headers) };
  heard.fetch?.({ request, respondWith: (given: Promise<Response>) => (answer = given) });
  return answer && (await answer).text();
}

test.each([
  ["/v1/tray"],
  ["/v1/live"],
  ["/dev/events"],
  ["/s/0198"],
  ["/app/sw.js"],
  ["https://media.example/stories/1/video.mp4"],
  ["https://media.example/app/index-12345678.js"],
])("%s is left alone", async (url) => {
  expect(await ask(url)).toBeUndefined();
  expect(kept.size).toBe(0);
});

test("neither a range nor anything but a GET is answered", async () => {
  expect(await ask("/app/index-12345678.js", { headers: { Range: "bytes=0-" } })).toBeUndefined();
  expect(await ask("/app/", { method: "POST", mode: "navigate" })).toBeUndefined();
});

test("the shell opens without a network once it was open", async () => {
  await ask("/app/", { mode: "navigate" });
  await ask("/app/index-12345678.js");
  online = false;
  expect(await ask("/app/", { mode: "navigate" })).toBe("one");
  expect(await ask("/app/index-12345678.js")).toBe("one");
  await expect(ask("/app/other-12345678.js")).rejects.toThrow("offline");
});

test("a new version forgets the files of the one before", async () => {
  await ask("/app/", { mode: "navigate" });
  await ask("/app/index-12345678.js");
  pageText = "two";
  expect(await ask("/app/", { mode: "navigate" })).toBe("two");
  expect([...kept.keys()]).toEqual(["/app/"]);
});
