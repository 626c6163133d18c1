import { expect, test } from "vitest";
import { type Item, Stories, StoriesError } from "../src/index.ts";
import { json, problem, serve } from "./server.ts";

const item = (changes: Partial<Item> = {}) =>
  ({
    id: "s1",
    author_id: "ann",
    ticket: "old",
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    urls_expire_at: new Date(Date.now() + 600_000).toISOString(),
    ticket_expires_at: new Date(Date.now() + 600_000).toISOString(),
    ...changes,
  }) as Item;

test("a refusal is an error with type, reason and waiting time", async () => {
  const baseUrl = await serve((_, answer) =>
    json(answer, 422, { ...problem("media-refused", 422), reason: "damaged" }, { "X-Request-Id": "r-1" }),
  );
  const error = await new Stories({ baseUrl, token: "t" }).quota().catch((caught: StoriesError) => caught);
  expect(error).toBeInstanceOf(StoriesError);
  expect(error).toMatchObject({ status: 422, type: "media-refused", reason: "damaged", requestId: "r-1" });
});

test("a 503 is repeated for a read and not for a bare post", async () => {
  const calls: string[] = [];
  const baseUrl = await serve(({ method }, answer) => {
    calls.push(method);
    if (calls.length % 2) json(answer, 503, problem("unavailable", 503), { "Retry-After": "0" });
    else json(answer, 200, { live: 0 });
  });
  const stories = new Stories({ baseUrl, token: "t" });
  expect(await stories.quota()).toEqual({ live: 0 });
  await expect(stories.call("POST", "/v1/x", { body: {} })).rejects.toMatchObject({ status: 503, temporary: true });
  expect(calls).toEqual(["GET", "GET", "POST"]);
});

test("an answer without a body is nothing", async () => {
  const baseUrl = await serve((_, answer) => answer.writeHead(202).end());
  const api = new Stories({ baseUrl, token: "t" });
  expect(await api.call("POST", "/v1/stories/s1/reports", { body: { reason: "spam" } })).toBeUndefined();
});

test("a refused token is asked for again, once", async () => {
  const seen: (string | undefined)[] = [];
  const baseUrl = await serve(({ headers }, answer) => {
    seen.push(headers.authorization);
    json(answer, headers.authorization === "Bearer new" ? 200 : 401, {});
  });
  await new Stories({ baseUrl, token: (refused) => (refused ? "new" : "old") }).quota();
  await expect(new Stories({ baseUrl, token: () => "old" }).quota()).rejects.toMatchObject({ status: 401 });
  expect(seen).toEqual(["Bearer old", "Bearer new", "Bearer old", "Bearer old"]);
});

test("an unchanged tray is answered from the last one", async () => {
  const baseUrl = await serve(({ headers }, answer) => {
    if (headers["if-none-match"] === 'W/"1"') return json(answer, 304, undefined);
    json(answer, 200, { items: [], mine: null, next_cursor: null }, { ETag: 'W/"1"' });
  });
  const stories = new Stories({ baseUrl, token: "t" });
  expect(await stories.tray()).toBe(await stories.tray());
});

test("a list is read page by page, only as far as it is asked for", async () => {
  const cursors: (string | null)[] = [];
  const baseUrl = await serve(({ url }, answer) => {
    const cursor = url.searchParams.get("cursor");
    cursors.push(cursor);
    const number = Number(cursor ?? 0);
    json(answer, 200, { items: [number, number + 0.5], next_cursor: number < 5 ? String(number + 1) : null });
  });
  const found: unknown[] = [];
  for await (const each of new Stories({ baseUrl, token: "t" }).forYou()) {
    found.push(each);
    if (found.length === 3) break;
  }
  expect(found).toEqual([0, 0.5, 1]);
  expect(cursors).toEqual([null, "1"]);
});

test("an ended ticket is renewed once and the call repeated", async () => {
  const tickets: unknown[] = [];
  const baseUrl = await serve(({ method, headers }, answer) => {
    if (method === "GET") return json(answer, 200, item({ ticket: "new" }));
    tickets.push(headers["story-ticket"]);
    if (headers["story-ticket"] === "old") json(answer, 403, problem("ticket-expired", 403));
    else answer.writeHead(204).end();
  });
  const shown = item();
  await new Stories({ baseUrl, token: "t" }).react(shown, "❤️");
  expect(tickets).toEqual(["old", "new"]);
  expect(shown.ticket).toBe("new");
});

test("URLs are renewed shortly before they end, and never for an ended story", async () => {
  let asked = 0;
  const baseUrl = await serve((_, answer) => {
    asked++;
    json(answer, 200, item({ ticket: "new" }));
  });
  const stories = new Stories({ baseUrl, token: "t" });
  const soon = new Date(Date.now() + 10_000).toISOString();
  expect((await stories.fresh(item()))?.ticket).toBe("old");
  expect((await stories.fresh(item({ urls_expire_at: soon })))?.ticket).toBe("new");
  expect(await stories.fresh(item({ expires_at: new Date(Date.now() - 1).toISOString() }))).toBeNull();
  expect(asked).toBe(1);
});

test("a story that is gone is null when renewed", async () => {
  const baseUrl = await serve((_, answer) => json(answer, 404, problem("not-found", 404)));
  expect(await new Stories({ baseUrl, token: "t" }).renewed(item())).toBeNull();
});

test("live updates resume after a cut with the last id", async () => {
  const ids: unknown[] = [];
  const baseUrl = await serve(({ headers }, answer) => {
    ids.push(headers["last-event-id"]);
    answer.writeHead(200, { "Content-Type": "text/event-stream" });
    answer.write(": heartbeat\nretry: 1\n\n");
    answer.end(`id: ${ids.length}\nevent: ring\ndata: {"author_id":"ann","ring":"unseen"}\n\n`);
  });
  const stop = new AbortController();
  const events = [];
  for await (const event of new Stories({ baseUrl, token: "t" }).live(stop.signal)) {
    events.push(event);
    if (events.length === 2) stop.abort();
  }
  expect(events[1]).toEqual({ event: "ring", data: { author_id: "ann", ring: "unseen" } });
  expect(ids).toEqual([undefined, "1"]);
});

test("a server without live updates says so at once", async () => {
  const baseUrl = await serve((_, answer) => json(answer, 404, problem("not-found", 404)));
  const next = new Stories({ baseUrl, token: "t" }).live(new AbortController().signal).next();
  await expect(next).rejects.toMatchObject({ status: 404 });
});
