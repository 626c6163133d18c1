// @vitest-environment happy-dom
import { render } from "preact";
import { afterEach, expect, test, vi } from "vitest";
import { type Item, type Stories, StoriesError, type Tray } from "../../clients/typescript/src/index";
import { refreshTray, session, tray } from "../src/state";
import { Home } from "../src/views/Home";
import { StoryGrid } from "../src/views/StoryGrid";

afterEach(() => {
  session.value = tray.value = null;
  document.body.replaceChildren();
});

test("no card is lost when the tray arrives while For You is being read", async () => {
  const later = new Date(Date.now() + 3_600_000).toISOString();
  const cards = ["a", "b", "c"].map((id) => ({
    id,
    author_id: "ann",
    expires_at: later,
    posted_at: later,
    poster_url: id,
  }));
  const waiting: (() => void)[] = [];
  const api = {
    async *forYou() {
      for (const card of cards) {
        await new Promise<void>((resolve) => waiting.push(resolve));
        yield card as Item;
      }
    },
  } as unknown as Stories;
  session.value = { user: "bob", api, views: {} as never, admin: false, development: true };
  render(<StoryGrid path="for-you" />, document.body);
  await vi.waitFor(() => expect(waiting).toHaveLength(1));
  tray.value = { items: [{ author_id: "ann" }], mine: null } as unknown as Tray;
  await vi.waitFor(() => expect(waiting).toHaveLength(2));
  await vi.waitFor(() => {
    for (const answer of waiting) answer();
    expect([...document.querySelectorAll("img")].map((each) => each.getAttribute("src"))).toEqual(["a", "b", "c"]);
  });
});

test("without a connection For You and the tray say so, and are read again at a touch", async () => {
  let online = false;
  const card = { id: "a", author_id: "ann", expires_at: new Date(Date.now() + 3_600_000).toISOString() };
  const api = {
    async *forYou() {
      if (!online) throw new StoriesError(0, "unreachable", "no connection");
      yield { ...card, posted_at: card.expires_at, poster_url: "a" } as Item;
    },
    async tray() {
      if (!online) throw new StoriesError(0, "unreachable", "no connection");
      return { items: [], mine: null } as unknown as Tray;
    },
  } as unknown as Stories;
  session.value = { user: "bob", api, views: {} as never, admin: false, development: true };
  await refreshTray();
  render(<Home known={null} onKnown={() => undefined} />, document.body);
  await vi.waitFor(() => expect(document.querySelectorAll(".banner")).toHaveLength(2));
  expect(document.querySelector(".skeleton, .empty")).toBeNull();
  online = true;
  for (const each of document.querySelectorAll<HTMLElement>(".banner button")) each.click();
  await vi.waitFor(() => expect(document.querySelectorAll(".story-card img, .tray .own")).toHaveLength(2));
  expect(document.querySelector(".banner")).toBeNull();
});
