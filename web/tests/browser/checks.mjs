/** What every journey needs: people, what is found on a page, and what holds on each of them. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { call } from "./stage.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const LONG = { timeout: 20_000 };
export const unique = () => Math.random().toString(36).slice(2, 8);

export async function accessible(page, where) {
  const results = await page.evaluate(async (source) => {
    if (!window.axe) new Function(source)();
    return (await window.axe.run()).violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`,
    );
  }, axe);
  assert.deepEqual(results, [], `axe on ${where}`);
}

/** Two people, the second of whom follows the first. */
export async function pair() {
  const [ann, bob] = [`ann-${unique()}`, `bob-${unique()}`];
  await call(bob, "PUT", `/v1/following/${ann}`);
  return [ann, bob];
}

export const ringOf = (page, author) =>
  page.locator(".tray").getByRole("link", { name: new RegExp(`Story of ${author}`) });
export const shown = (page, caption) => page.locator(".player .caption-line", { hasText: caption });
export const shortest = (lifetimes) => lifetimes.find((each) => /^\d+s$/.test(each)) ?? lifetimes.at(-1);
export const blocked = (page) =>
  page.problems.filter((each) => /Content Security Policy|Permissions policy|TrustedHTML/.test(each));
export const shownRatio = (media) => media.evaluate((each) => each.naturalWidth / each.naturalHeight);

/** Ask until it is so. */
export async function until(what, true_) {
  for (let tries = 0; !(await true_()); tries++) {
    assert.ok(tries < 100, what);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
