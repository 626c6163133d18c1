// @vitest-environment happy-dom
import { render } from "preact";
import { afterEach, expect, test, vi } from "vitest";
import type { Item, Stories, Tray } from "../../clients/typescript/src/index";
import { session, tray } from "../src/state";
import { Grid } from "../src/views/Home";

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
  render(<Grid path="for-you" />, document.body);
  await vi.waitFor(() => expect(waiting).toHaveLength(1));
  tray.value = { items: [{ author_id: "ann" }], mine: null } as unknown as Tray;
  await vi.waitFor(() => expect(waiting).toHaveLength(2));
  await vi.waitFor(() => {
    for (const answer of waiting) answer();
    expect([...document.querySelectorAll("img")].map((each) => each.getAttribute("src"))).toEqual(["a", "b", "c"]);
  });
});
