/**
 * A story's life on two phones, recorded: `node film.mjs FOLDER LIFETIME` against the stack at STORIES_URL, which has
 * that lifetime. Writes the pictures of both screens and `film.json`, from which `film.py` cuts the film.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { call, item, launch, post, SCENES, visit } from "./stage.mjs";

const [folder, lifetime] = process.argv.slice(2);
const SIZE = { width: 360, height: 780 };
const SOON = { timeout: 30_000 };
const CAPTION = "Good night from up here";
const events = [];
const writes = [];
const tell = (text) => events.push({ at: Date.now(), text });

/** What a screen shows now, for which a screencast would wait until it changes. */
async function still(page, phone) {
  const file = `${phone}-first.jpg`;
  await page.screenshot({ path: `${folder}/${file}`, type: "jpeg", quality: 92 });
  events.push({ at: Date.now(), phone, file });
}

/** Record what a screen shows, whenever it changes. */
async function record(page, phone) {
  await page.screencast.start({
    size: SIZE,
    quality: 92,
    onFrame({ data, timestamp }) {
      const file = `${phone}-${writes.length}.jpg`;
      writes.push(writeFile(`${folder}/${file}`, data));
      events.push({ at: timestamp, phone, file });
    },
  });
}

for (const [who, file] of [
  ["mia", "aurora.jpg"],
  ["tom", "coffee.jpg"],
  ["lena", "balloons.jpg"],
]) {
  await post(who, file, { lifetime: "24h" });
  for (const reader of ["ann", "bob"]) await call(reader, "PUT", `/v1/following/${who}`);
}
await call("bob", "PUT", "/v1/following/ann");
while ((await call("bob", "GET", "/v1/for-you")).items.length < 3)
  await new Promise((resolve) => setTimeout(resolve, 100));

const browser = await launch();
const phone = { ...SIZE, scale: 1, touch: true };
const [hers, his] = await Promise.all([
  visit(browser, "ann", phone),
  visit(browser, "bob", { ...phone, theme: "dark" }),
]);
const beat = (ms) => hers.waitForTimeout(ms);
for (const page of [hers, his]) await page.locator(".grid img").nth(2).waitFor(SOON);
await beat(600);
tell(`Ann posts a photo that lives ${lifetime.replace("s", " seconds")}`);
await Promise.all([hers, his].map(still));
const from = Date.now() + 1; // after the first pictures, so that the film begins with both screens
await Promise.all([record(hers, 0), record(his, 1)]);
await beat(1400);
await hers.getByRole("navigation").getByRole("link", { name: "New story" }).click();
await hers.locator("input[type=file]").setInputFiles(`${SCENES}/dusk.jpg`);
await hers.locator(".canvas img").waitFor(SOON);
await beat(500);
await hers.getByLabel("Caption").pressSequentially(CAPTION, { delay: 35 });
await hers.getByLabel("How long").selectOption(lifetime);
const share = hers.getByRole("button", { name: "Share story" });
await share.scrollIntoViewIfNeeded();
await beat(500);
await share.click();
await hers.getByText("Your story is live").waitFor(SOON);

tell("Bob follows her: a ring in his tray");
const ring = his.locator(".tray").getByRole("link", { name: /Story of ann/ });
await ring.waitFor(SOON);
await beat(1100);
await ring.click();
const shown = his.locator(".player .caption-line", { hasText: CAPTION });
await shown.waitFor(SOON);
tell("He watches, reacts and comments");
const [story] = (await call("bob", "GET", "/v1/users/ann/stories")).items;
await beat(1200);
await his.getByRole("button", { name: "React", exact: true }).click();
await beat(500);
await his.getByRole("button", { name: "🔥" }).click();
await beat(1000);
await his.getByRole("button", { name: /Add a comment/ }).click();
await his.getByRole("textbox", { name: "Add a comment…" }).pressSequentially("What a sky!", { delay: 40 });
await his.keyboard.press("Enter");
await his.locator(".comment", { hasText: "What a sky!" }).waitFor(SOON);
await beat(700);
await his.getByRole("dialog", { name: "Comments" }).getByRole("button", { name: "Close" }).click();
await his.locator(".player").getByRole("button", { name: "Close" }).click();

tell("Ann sees who watched");
await hers.getByRole("navigation").getByRole("link", { name: "Me", exact: true }).click();
await beat(700);
await ring.click(); // and watches again, to the end
await shown.waitFor(SOON);
await his.getByRole("button", { name: "Pause" }).click();
await hers
  .locator(".own-card")
  .getByRole("button", { name: /Viewers/ })
  .click(SOON);
await hers.getByRole("dialog", { name: "Viewers" }).getByText("🔥").waitFor(SOON);
await beat(1500);
await hers.getByRole("dialog", { name: "Viewers" }).getByRole("button", { name: "Close" }).click();
assert.ok(await shown.isVisible(), "he still watches");

tell("It ends for everybody at the same moment");
await shown.waitFor({ state: "detached", timeout: Math.max(0, Date.parse(story.expires_at) - Date.now()) + 10_000 });
await ring.waitFor({ state: "detached", ...SOON });
await beat(900);
tell("Every store confirms that nothing is left of it");
await hers.getByRole("button", { name: "Erasure receipt" }).click(SOON);
await hers.getByText("Complete", { exact: true }).waitFor({ timeout: 60_000 });
await beat(2200);
const to = Date.now();
for (const page of [hers, his]) await page.screencast.stop();
await browser.close();
await Promise.all(writes);
assert.equal(await item("bob", "ann", story.id), undefined);
await writeFile(
  `${folder}/film.json`,
  JSON.stringify({ from, to, events, story: story.id, media_url: story.media_url }),
);
