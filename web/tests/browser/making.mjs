/** Journeys of making a story: layers placed by hand, every choice, and an upload that stands still and goes on. */
import assert from "node:assert/strict";
import { accessible, blocked, LONG, pair, until } from "./checks.mjs";
import { call, item, SCENES, visit } from "./stage.mjs";

const middle = async (what) => {
  const { x, y, width, height } = await what.boundingBox();
  return [x + width / 2, y + height / 2];
};

async function drag(page, what, dx, dy) {
  const [x, y] = await middle(what);
  await page.mouse.move(x, y);
  await page.mouse.down();
  for (let step = 1; step <= 5; step++) await page.mouse.move(x + (dx * step) / 5, y + (dy * step) / 5);
  await page.mouse.up();
}

export const making = (browser) => ({
  /** Text and stickers are moved, turned and sized by hand; filter, audience, hide-from and switches hold. */
  async making() {
    const [ann, bob] = await pair();
    const page = await visit(browser, ann, { path: "/new" });
    await page.locator("input[type=file]").setInputFiles(`${SCENES}/sea.jpg`);
    await page.getByRole("button", { name: "Text", exact: true }).click();
    await page.locator(".layer-panel textarea").fill("by hand");
    const text = page.locator(".layer.text");
    await drag(page, text, 0, -100);
    await page.getByRole("button", { name: "Stickers" }).click();
    await page.getByRole("button", { name: "🔥" }).click();
    const sticker = page.locator(".layer.sticker");
    const handle = page.locator(".turn-handle");
    await handle.waitFor(LONG);
    const [[left, top], [right, bottom]] = [await middle(sticker), await middle(handle)];
    await drag(page, handle, left - (bottom - top) - right, top + (right - left) - bottom); // a quarter turn
    await page.keyboard.press("ArrowLeft");
    await page.getByRole("button", { name: "Quiz" }).click();
    const quiz = page.getByRole("dialog", { name: "Quiz" });
    await quiz.getByRole("textbox", { name: "Question" }).fill("How cold?");
    await quiz.getByRole("textbox", { name: "Option 1" }).fill("6");
    await quiz.getByRole("textbox", { name: "Option 2" }).fill("16");
    await quiz.getByRole("button", { name: "Add" }).click();
    await page.getByRole("button", { name: "Cool" }).click();
    await accessible(page, "making a story");
    await page.getByLabel("Caption").fill("all of it");
    await page.getByLabel("Who can see it").selectOption("followers");
    await page.getByText("More", { exact: true }).click();
    await page.getByLabel("Who can comment").selectOption("nobody");
    await page.getByLabel("Description for people").fill("a cold sea");
    await page.getByLabel("Hide it from").fill(`eve, ${ann}-mallory`);
    await page.getByRole("switch", { name: "Share" }).uncheck();
    await page.getByRole("button", { name: "Share story" }).click();
    await page.getByText("Your story is live").waitFor(LONG);

    const [story] = (await call(ann, "GET", "/v1/me/stories?state=live")).items;
    let seen;
    await until("it arrives", async () => {
      seen = await item(bob, ann, story.id);
      return Boolean(seen);
    });
    const layer = (kind) => seen.layers.find((each) => each.kind === kind);
    assert.ok(layer("text").y < 0.35, `the text was moved up to ${layer("text").y}`);
    assert.equal(layer("sticker").rotation, 90, "the sticker was turned by hand");
    assert.ok(layer("sticker").x < 0.5, "and moved by a key");
    assert.deepEqual(layer("quiz").options, ["6", "16"]);
    assert.equal(layer("effect").name, "cool");
    assert.deepEqual(
      [seen.audience, seen.alt_text, seen.can.comment, seen.can.share, seen.can.react],
      ["followers", "a cold sea", false, false, true],
    );
    assert.equal(await item("eve", ann, story.id), undefined, "others do not see it");

    const his = await visit(browser, bob, { path: `/u/${ann}` });
    const shownSticker = his.locator(".player .layer.sticker");
    await shownSticker.waitFor(LONG);
    assert.match(await shownSticker.getAttribute("style"), /rotate\(90deg\)/);
    assert.match(await his.locator(".picture").getAttribute("style"), /hue-rotate/);
    assert.deepEqual([...blocked(page), ...blocked(his)], []);
  },

  /** An upload shows its progress, is paused and goes on; another is cancelled, and nothing is left of it. */
  async uploading() {
    const [ann] = await pair();
    const page = await visit(browser, ann, { path: "/new" });
    const network = await page.context().newCDPSession(page);
    const slow = (bytes) =>
      network.send("Network.emulateNetworkConditions", {
        offline: false,
        latency: 0,
        downloadThroughput: -1,
        uploadThroughput: bytes,
      });
    await network.send("Network.enable");
    const begin = async () => {
      await page.locator("input[type=file]").setInputFiles(`${SCENES}/sea.jpg`);
      await page.getByLabel("Caption").fill("slowly");
      await slow(20_000);
      await page.getByRole("button", { name: "Share story" }).click();
      await page.getByText(/Uploading [1-9]/).waitFor(LONG);
    };
    await begin();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByText(/Paused at/).waitFor(LONG);
    await accessible(page, "a paused upload");
    assert.deepEqual((await call(ann, "GET", "/v1/me/stories?state=live")).items, []);
    await slow(-1);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("Your story is live").waitFor(LONG);
    const { items } = await call(ann, "GET", "/v1/me/stories");
    assert.deepEqual(
      items.map((each) => each.state),
      ["live"],
      "it is one story, not two",
    );

    await page.goto(page.url().replace(/#.*/, "#/new"));
    await begin();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Share story" }).waitFor(LONG);
    await slow(-1);
    await until("nothing of it is left", async () => (await call(ann, "GET", "/v1/me/stories")).items.length === 1);
    await page.getByRole("button", { name: "Share story" }).click();
    await page.getByText("Your story is live").waitFor(LONG);
    assert.deepEqual(blocked(page), []);
  },
});
