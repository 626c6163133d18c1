/** Journeys in a real Chromium against the stack at STORIES_URL: `node journeys.mjs [NAME…]`. Exits with 1 on a failure. */
import assert from "node:assert/strict";
import { accessible, blocked, LONG, pair, ringOf, shortest, shown, shownRatio, unique } from "./checks.mjs";
import { layout } from "./layout.mjs";
import { making } from "./making.mjs";
import { provider } from "./provider.mjs";
import { social } from "./social.mjs";
import { call, item, launch, post, SCENES, URL_, visit } from "./stage.mjs";

const browser = await launch();

/** Post what is open in the editor. */
async function share(page, caption) {
  await page.getByLabel("Caption").fill(caption);
  await page.getByRole("button", { name: "Share story" }).click();
  await page.waitForFunction(() => location.hash === "#/", null, { timeout: 60_000 });
}

/** The one story of a kind, as soon as the feed has it. */
async function arrived(author, kind) {
  for (let tries = 0; tries < 100; tries++) {
    const found = (await call(author, "GET", `/v1/users/${author}/stories`)).items.find((each) => each.kind === kind);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`the ${kind} arrives`);
}

/** A wide picture, red on the left and blue on the right. */
async function wide(page) {
  const url = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1600, height: 900 });
    const context = canvas.getContext("2d");
    for (const [color, x] of [
      ["#e00000", 0],
      ["#0000e0", 800],
    ]) {
      context.fillStyle = color;
      context.fillRect(x, 0, 800, 900);
    }
    return canvas.toDataURL("image/png");
  });
  return Buffer.from(url.split(",")[1], "base64");
}

/** The colour in the middle of a picture. */
async function colour(page, url) {
  const bytes = [...new Uint8Array(await (await fetch(url)).arrayBuffer())];
  const [red, , blue] = await page.evaluate(async (sent) => {
    const picture = await createImageBitmap(new Blob([new Uint8Array(sent)]));
    const canvas = Object.assign(document.createElement("canvas"), { width: picture.width, height: picture.height });
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    return [...context.getImageData(picture.width / 2, picture.height / 2, 1, 1).data];
  }, bytes);
  return blue > red ? "blue" : "red";
}

const journeys = {
  /** Post in one browser; it appears in another's tray; watch, react, comment; delete; gone from the other. */
  async life() {
    const [ann, bob] = await pair();
    const [hers, his] = [await visit(browser, ann), await visit(browser, bob)];
    await his.getByRole("link", { name: "Your story" }).waitFor(LONG);

    await hers.goto(hers.url().replace(/#.*/, "#/new"));
    await hers.locator("input[type=file]").setInputFiles(`${SCENES}/sea.jpg`);
    await hers.getByLabel("Caption").fill("hello from ann");
    await hers.getByRole("button", { name: "Share story" }).click();
    const ring = ringOf(his, ann);
    const [live, inTray] = await Promise.all(
      [hers.getByText("Your story is live"), ring].map((each) => each.waitFor(LONG).then(() => Date.now())),
    );
    assert.ok(inTray - live < 1000, `in the tray ${inTray - live} ms after its author knew`);
    await ring.click();
    await shown(his, "hello from ann").waitFor(LONG);
    await his.getByRole("button", { name: "Pause" }).click();
    await his.getByRole("button", { name: "React" }).click();
    await his.getByRole("button", { name: "👏" }).click();
    await his.getByRole("button", { name: /Add a comment/ }).click();
    await his.getByRole("textbox", { name: "Add a comment…" }).fill("well done");
    await his.keyboard.press("Enter");
    await his.getByText("well done").waitFor(LONG);
    await his.getByRole("dialog", { name: "Comments" }).getByRole("button", { name: "Close" }).click();
    await his.getByRole("button", { name: "Close" }).click();
    await his.getByRole("link", { name: new RegExp(`Story of ${ann}, seen`) }).waitFor(LONG);

    await hers.goto(hers.url().replace(/#.*/, `#/u/${ann}`));
    await hers.getByRole("button", { name: "Pause" }).click();
    await hers.getByRole("button", { name: /Viewers/ }).click();
    await hers.getByText(bob).waitFor(LONG);
    await hers.locator(".people .reaction", { hasText: "👏" }).waitFor(LONG);
    await hers.getByRole("dialog", { name: "Viewers" }).getByRole("button", { name: "Close" }).click();

    await ring.click();
    await shown(his, "hello from ann").waitFor(LONG);
    await his.getByRole("button", { name: "Pause" }).click();
    await hers.getByRole("button", { name: "More" }).click();
    await hers.getByRole("dialog", { name: "Your story" }).getByRole("button", { name: "Delete" }).click();
    const question = hers.getByRole("dialog", { name: /Delete this story/ });
    await question.getByRole("button", { name: "Delete" }).click();
    await hers.getByText("Complete").waitFor(LONG);
    await shown(his, "hello from ann").waitFor({ state: "detached", timeout: 20_000 });
    await ring.waitFor({ state: "detached", timeout: 20_000 });
  },

  /** A story ends while it is watched: the player leaves it at its end, and its author gets the receipt. */
  async expiry() {
    const [ann, bob] = await pair();
    const { lifetimes } = await call(ann, "GET", "/v1/config");
    const short = shortest(lifetimes);
    const his = await visit(browser, bob);
    const story = await post(ann, "dusk.jpg", { caption: "soon gone", lifetime: short });
    const hers = await visit(browser, ann, { path: "/me" });
    await hers.locator(".own-card", { hasText: "soon gone" }).waitFor(LONG);
    await ringOf(his, ann).click(LONG);
    await shown(his, "soon gone").waitFor(LONG);
    await his.getByRole("button", { name: "Pause" }).click();
    const left = Date.parse(story.expires_at) - Date.now();
    await shown(his, "soon gone").waitFor({ state: "detached", timeout: left + 5000 });
    const late = Date.now() - Date.parse(story.expires_at);
    assert.ok(late > -100 && late < 1500, `left the screen ${late} ms after its end`);
    await hers.getByText("This story has ended").waitFor(LONG);
    await hers.getByRole("button", { name: "Erasure receipt" }).click();
    await hers.getByText("Complete", { exact: true }).waitFor({ timeout: 60_000 });
  },

  /** Everything by keyboard: sign in, open, next, mute, pause, comment, close; focus returns to the ring. */
  async keyboard() {
    const [ann, bob] = await pair();
    await post(ann, "sea.jpg", { caption: "one" });
    await post(ann, "dusk.jpg", { caption: "two" });
    const page = await visit(browser, null);
    await page.getByRole("textbox").focus();
    await page.keyboard.type(bob);
    await page.keyboard.press("Enter");
    const ring = ringOf(page, ann);
    await ring.waitFor(LONG);
    for (let presses = 0; presses < 30 && !(await ring.evaluate((each) => each === document.activeElement)); presses++)
      await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await shown(page, "one").waitFor(LONG);
    await page.keyboard.press("k");
    await page.getByRole("button", { name: "Play" }).waitFor(LONG);
    await page.keyboard.press("ArrowRight");
    await shown(page, "two").waitFor(LONG);
    await page.keyboard.press("k");
    await page.keyboard.press("c");
    await page.getByRole("textbox", { name: "Add a comment…" }).waitFor(LONG);
    await page.keyboard.type("typed");
    await page.keyboard.press("Enter");
    await page.getByText("typed").waitFor(LONG);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog", { name: "Comments" }).waitFor({ state: "detached" });
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert.ok(await ring.evaluate((each) => each === document.activeElement), "focus returns to the ring");
  },

  /** What a state machine cannot show of the faults that other players are known for. */
  async player() {
    const [ann, bob] = await pair();
    const poll = { kind: "poll", question: "Which?", options: ["This", "That"], x: 0.5, y: 0.5, w: 0.7, h: 0.2 };
    await post(ann, "clip.mp4", { caption: "first clip" });
    await post(ann, "clip.mp4", { caption: "second clip" });
    await post(ann, "sea.jpg", { caption: "a poll", layers: [poll] });
    const page = await visit(browser, bob);
    await ringOf(page, ann).click(LONG);
    await shown(page, "first clip").waitFor(LONG);
    const clip = () =>
      page.evaluate(() => [...document.querySelectorAll(".stage video")].find((each) => !each.paused)?.muted);
    await page.waitForFunction(() => [...document.querySelectorAll(".stage video")].some((each) => !each.paused));
    assert.equal(await clip(), true, "a clip starts without sound");
    const changes = await page.evaluate(async () => {
      let count = 0;
      const seen = new MutationObserver((records) => {
        count += records.length;
      });
      seen.observe(document.querySelector(".bars"), { subtree: true, childList: true, attributes: true });
      await new Promise((resolve) => setTimeout(resolve, 700));
      return count;
    });
    assert.equal(changes < 8, true, "progress changes no element frame by frame");
    await page.getByRole("button", { name: "Turn sound on" }).click();
    await page.keyboard.press("ArrowRight");
    await shown(page, "second clip").waitFor(LONG);
    await page.waitForFunction(() => [...document.querySelectorAll(".stage video")].some((each) => !each.paused));
    assert.equal(await clip(), false, "the next clip keeps the sound");
    assert.ok((await page.locator(".stage video").count()) <= 3, "clips are shown by few elements");

    const pressed = await page.locator(".zones").evaluate((zones) => {
      const press = new MouseEvent("contextmenu", { bubbles: true, cancelable: true });
      zones.dispatchEvent(press);
      return [press.defaultPrevented, getComputedStyle(zones).userSelect];
    });
    assert.deepEqual(pressed, [true, "none"], "a long press opens and selects nothing");

    await page.evaluate(() => {
      document.documentElement.dir = "rtl";
    });
    await page.keyboard.press("ArrowLeft");
    const forward = await shown(page, "a poll")
      .waitFor(LONG)
      .then(
        () => true,
        () => false,
      );
    assert.ok(forward, "from right to left the left arrow goes on");
    await page.keyboard.press("k");
    await page.getByRole("button", { name: "That" }).click(LONG);
    await page.locator(".choice .mine").waitFor(LONG);
    assert.ok(await shown(page, "a poll").isVisible(), "a tap on a sticker does not turn the page");
    await page.keyboard.press("c");
    const field = page.getByRole("textbox", { name: "Add a comment…" });
    await field.pressSequentially("kmc ");
    assert.equal(await field.inputValue(), "kmc ", "keys belong to the field");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog", { name: "Comments" }).waitFor({ state: "detached" });
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("c");
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.getByRole("dialog").count(), 0, "keys do nothing when the player is closed");
    const other = await visit(browser, bob);
    const seen = other.getByRole("link", { name: new RegExp(`Story of ${ann}, seen`) });
    assert.ok(
      await seen.waitFor(LONG).then(
        () => true,
        () => false,
      ),
      "another page knows what was seen",
    );
  },

  /** A photo and a clip from the camera, which is closed afterwards; without a camera it says what to do. */
  async camera() {
    const [ann] = await pair();
    const page = await visit(browser, ann, { path: "/new", width: 390, height: 844 });
    await page.getByRole("button", { name: "Take a photo or clip" }).click();
    const camera = page.getByRole("dialog", { name: "Take a photo or clip" });
    await camera.getByRole("button", { name: "Take photo" }).click(LONG);
    await camera.waitFor({ state: "detached" });
    assert.ok(Math.abs((await shownRatio(page.locator(".canvas img"))) - 9 / 16) < 0.01, "a photo of 9:16");
    await share(page, "from the camera");

    await page.goto(page.url().replace(/#.*/, "#/new"));
    await page.getByRole("button", { name: "Take a photo or clip" }).click();
    await camera.getByRole("button", { name: "Clip" }).click();
    await page.waitForTimeout(400);
    await accessible(page, "camera");
    await camera.getByRole("button", { name: "Record" }).click(LONG);
    await camera.getByText("2s").waitFor(LONG);
    await camera.getByRole("button", { name: "Stop recording" }).click();
    await camera.waitFor({ state: "detached" });
    await share(page, "recorded");
    const clip = await arrived(ann, "video");
    assert.ok(clip.duration_ms > 1000 && clip.duration_ms < 6000, `recorded ${clip.duration_ms} ms`);
    assert.ok(clip.has_audio, "with sound");
    assert.ok(Math.abs(clip.width / clip.height - 9 / 16) < 0.01, "in 9:16");
    assert.deepEqual(blocked(page), []);

    await page.addInitScript(() => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));
    });
    await page.goto(page.url().replace(/#.*/, "#/new"));
    await page.reload();
    await page.getByRole("button", { name: "Take a photo or clip" }).click(LONG);
    await camera.getByRole("alert").getByText("The camera is blocked").waitFor(LONG);
    await page.keyboard.press("Escape");
    await camera.waitFor({ state: "detached" });
  },

  /** A photo is cropped to 9:16, a clip is trimmed and cropped: what is sent holds nothing but that part. */
  async cutting() {
    const [ann] = await pair();
    const page = await visit(browser, ann, { path: "/new" });
    await page
      .locator("input[type=file]")
      .setInputFiles({ name: "wide.png", mimeType: "image/png", buffer: await wide(page) });
    await page.getByRole("button", { name: "Crop", exact: true }).click();
    await page.getByLabel("Left to right").fill("1");
    await page.waitForTimeout(400);
    await accessible(page, "cropping");
    await share(page, "cropped");
    const photo = await arrived(ann, "photo");
    assert.ok(Math.abs(photo.width / photo.height - 9 / 16) < 0.01, `cropped to ${photo.width} × ${photo.height}`);
    assert.equal(await colour(page, photo.media_url), "blue", "the right side was kept");

    await page.goto(page.url().replace(/#.*/, "#/new"));
    await page.locator("input[type=file]").setInputFiles(`${SCENES}/clip.mp4`);
    await page.getByRole("button", { name: "Trim", exact: true }).click(LONG);
    await page.getByLabel("Start", { exact: true }).fill("2");
    await page.getByLabel("End", { exact: true }).fill("4");
    await page.waitForTimeout(400);
    await accessible(page, "trimming");
    await share(page, "trimmed");
    const clip = await arrived(ann, "video");
    assert.ok(Math.abs(clip.duration_ms - 2000) < 500, `trimmed to ${clip.duration_ms} ms`);
    assert.deepEqual(blocked(page), []);
  },

  /** A file that is no media is refused in words. */
  async refusal() {
    const [ann] = await pair();
    const page = await visit(browser, ann, { path: "/new" });
    await page
      .locator("input[type=file]")
      .setInputFiles({ name: "broken.jpg", mimeType: "image/jpeg", buffer: Buffer.from("no picture") });
    await page.getByRole("button", { name: "Share story" }).click();
    await page.getByRole("alert").waitFor(LONG);
    assert.match(await page.getByRole("alert").textContent(), /not a photo or clip|damaged/);
  },

  /** Views made offline are sent when the network is back; one that is cut short by closing the tab is not lost. */
  async offline() {
    const [ann, bob] = await pair();
    const story = await post(ann, "sea.jpg", { caption: "seen offline" });
    const page = await visit(browser, bob, { path: `/u/${ann}` });
    await shown(page, "seen offline").waitFor(LONG);
    await page.context().setOffline(true);
    await page.getByRole("button", { name: "Close" }).click();
    await page.waitForFunction((key) => (localStorage.getItem(key) ?? "").includes("play_id"), `views.${bob}`);
    await page.context().setOffline(false);
    for (let tries = 0; ; tries++) {
      const { total } = await call(ann, "GET", `/v1/stories/${story.id}/viewers`);
      if (total === 1) break;
      assert.ok(tries < 100, "the view arrives");
      await page.waitForTimeout(200);
    }
    const last = await post(ann, "dusk.jpg", { caption: "seen last" });
    const again = await visit(browser, bob, { path: `/u/${ann}` });
    await shown(again, "seen last").waitFor(LONG);
    await again.waitForTimeout(500);
    await again.close();
    for (let tries = 0; (await call(ann, "GET", `/v1/stories/${last.id}/viewers`)).total === 0; tries++) {
      assert.ok(tries < 100, "the view of a tab that was closed arrives");
      await page.waitForTimeout(200);
    }
  },

  /** Behind the scenes, without signing in: a story is sent through, and followed to its receipt and tombstone. */
  async scenes() {
    for (const [theme, width] of [
      ["light", 1440],
      ["dark", 390],
    ]) {
      const page = await visit(browser, null, { theme, width, path: "/scenes" });
      await page.locator(".state.live").waitFor(LONG);
      await page.getByRole("button", { name: "Send a story through" }).click();
      const life = page.getByRole("region", { name: "Its life" });
      await life.getByText("commented").waitFor({ timeout: 60_000 });
      await page.locator(".dot").first().waitFor({ state: "attached", timeout: 90_000 });
      await life.getByText("Receipt complete").waitFor({ timeout: 90_000 });
      await life.getByText("Tombstone in the log").waitFor(LONG);
      for (const store of ["media", "feed", "engagement"]) await life.getByText(`Erased from ${store}`).waitFor(LONG);
      await page.getByRole("button", { name: "Pause the dots" }).click();
      await page.waitForTimeout(500);
      await accessible(page, `scenes, ${theme}`);
      assert.equal(
        await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
        true,
        `fits ${width} px`,
      );
      assert.deepEqual(
        page.problems.filter((each) => /Content Security Policy|TrustedHTML/.test(each)),
        [],
      );
      await page.context().close();
    }
  },

  /** A report is decided by an admin: the story is removed, and the decision is in the audit log. */
  async moderation() {
    const [ann, bob] = await pair();
    const story = await post(ann, "sea.jpg", { caption: `buy now ${ann}` });
    let seen;
    for (let tries = 0; !seen; tries++) {
      assert.ok(tries < 100, "the story arrives");
      seen = await item(bob, ann, story.id);
      if (!seen) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await call(
      bob,
      "POST",
      `/v1/stories/${story.id}/reports`,
      { reason: "spam", text: "an advert" },
      { "Story-Ticket": seen.ticket },
    );
    const page = await visit(browser, null);
    await page.getByRole("switch", { name: "As an admin" }).check();
    await page.getByRole("textbox").fill(`mod-${unique()}`);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("link", { name: "Moderation" }).click();
    const report = page.locator(".report", { hasText: `buy now ${ann}` });
    await report.getByText("an advert").waitFor(LONG);
    await report.locator("img").waitFor(LONG);
    await page.waitForTimeout(300);
    await accessible(page, "moderation");
    await report.getByRole("button", { name: "Remove", exact: true }).click();
    await report.waitFor({ state: "detached", timeout: 20_000 });
    for (let tries = 0; await item(bob, ann, story.id); tries++) {
      assert.ok(tries < 100, "the story is removed");
      await page.waitForTimeout(200);
    }
    await page.getByRole("button", { name: "Audit log" }).click();
    await page.locator(".audit tr", { hasText: ann }).getByText("Removed").waitFor(LONG);
    await page.setViewportSize({ width: 360, height: 800 });
    await accessible(page, "audit log");
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "fits 360 px");
  },

  /** A story is scheduled, moved and cancelled; another explained for one person; an author's new stories announced. */
  async planning() {
    const [ann, bob] = await pair();
    const page = await visit(browser, ann, { path: "/new" });
    await page.locator("input[type=file]").setInputFiles(`${SCENES}/sea.jpg`);
    await page.getByLabel("Caption").fill("for tomorrow");
    await page.getByLabel("When").selectOption("later");
    await page.getByRole("button", { name: "Schedule story" }).click();
    const card = page.locator(".own-card", { hasText: "for tomorrow" });
    await card.getByText("Scheduled").waitFor(LONG);
    const [before] = (await call(ann, "GET", "/v1/me/stories?state=scheduled")).items;
    await card.getByRole("button", { name: "Change the time" }).click();
    const later = new Date(Date.now() + 3 * 86_400_000);
    await page
      .getByLabel("Goes live at")
      .fill(new Date(later - later.getTimezoneOffset() * 60_000).toISOString().slice(0, 16));
    await accessible(page, "changing the time");
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByText("Saved").waitFor(LONG);
    const [after] = (await call(ann, "GET", "/v1/me/stories?state=scheduled")).items;
    assert.ok(Date.parse(after.publish_at) - Date.parse(before.publish_at) > 86_400_000, "it moved");
    await card.getByRole("button", { name: "Delete" }).click();
    await page
      .getByRole("dialog", { name: /Delete this story/ })
      .getByRole("button", { name: "Delete" })
      .click();
    await card.waitFor({ state: "detached", timeout: 20_000 });
    assert.deepEqual((await call(ann, "GET", "/v1/me/stories?state=scheduled")).items, []);

    await post(ann, "dusk.jpg", { caption: "not for bob", hide_from: [bob] });
    const shownOne = page.locator(".own-card", { hasText: "not for bob" });
    await shownOne.getByRole("button", { name: "Can somebody see it?" }).click(LONG);
    await page.getByRole("textbox", { name: "Their name" }).fill(bob);
    await page.keyboard.press("Enter");
    await page.getByText(`${bob} cannot see it`).waitFor(LONG);
    await page.locator(".rules .no", { hasText: "You do not hide it" }).waitFor(LONG);
    await accessible(page, "explaining");

    const his = await visit(browser, bob, { path: "/me" });
    await his.getByRole("button", { name: `${ann}: Tell me about new stories` }).click(LONG);
    await his.getByText(`New stories of ${ann} are announced`).waitFor(LONG);
    const { items } = await call(bob, "GET", "/v1/following");
    assert.equal(items.find((each) => each.user_id === ann).notify, true);
  },

  /** Stories are kept after their end, shown again in a highlight, and erased; others see the highlight alone. */
  async archive() {
    const [ann, bob] = await pair();
    const { lifetimes } = await call(ann, "GET", "/v1/config");
    const page = await visit(browser, ann, { path: "/me" });
    await page.getByRole("switch", { name: /Keep my stories/ }).check(LONG);
    await page.getByText("Saved").waitFor(LONG);
    const lifetime = shortest(lifetimes);
    const text = { kind: "text", text: "again", x: 0.5, y: 0.3, w: 0.5, h: 0.1 };
    const kept = await post(ann, "sea.jpg", { caption: "kept", lifetime, layers: [text] });
    await post(ann, "dusk.jpg", { caption: "kept too", lifetime });
    for (let tries = 0; (await call(ann, "GET", "/v1/me/archive")).items.length < 2; tries++) {
      assert.ok(tries < 300, "both are kept");
      await page.waitForTimeout(200);
    }
    await page.reload();
    await page.getByRole("button", { name: /^Story of .*: kept$/ }).click(LONG);
    const shownAgain = page.getByRole("dialog", { name: "Archive" });
    await shownAgain.getByText("again").waitFor(LONG);
    await page.waitForTimeout(300);
    await accessible(page, "an archived story");
    await page.keyboard.press("Escape");

    await page.getByRole("button", { name: "New highlight" }).click();
    const editor = page.getByRole("dialog", { name: "New highlight" });
    await editor.getByLabel("Title").fill("By the sea");
    await editor.getByRole("button", { name: /: kept$/ }).click();
    await editor.getByRole("button", { name: /: kept too$/ }).click();
    await page.waitForTimeout(300);
    await accessible(page, "a new highlight");
    await editor.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "By the sea" }).waitFor(LONG);
    await page.waitForTimeout(300);
    await accessible(page, "archive and highlights");

    const his = await visit(browser, bob, { path: `/p/${ann}`, width: 390, height: 844, theme: "dark" });
    await his.getByRole("button", { name: "By the sea" }).click(LONG);
    await his.getByRole("dialog", { name: "By the sea" }).getByText("kept", { exact: true }).waitFor(LONG);
    await his.keyboard.press("ArrowRight");
    await his.getByText("2 of 2").waitFor(LONG);
    await his.keyboard.press("ArrowRight");
    await his.getByRole("dialog").waitFor({ state: "detached" });
    await accessible(his, "profile");

    await page.getByRole("button", { name: "By the sea" }).click();
    await page.getByRole("button", { name: "Edit highlight" }).click();
    const changing = page.getByRole("dialog", { name: "Edit highlight" });
    await changing.getByRole("button", { name: /: kept$/ }).click();
    await changing.getByRole("button", { name: "Save" }).click();
    await page.getByText("Highlight saved").waitFor(LONG);
    const [{ id, story_ids }] = (await call(bob, "GET", `/v1/users/${ann}/highlights`)).items;
    assert.ok(!story_ids.includes(kept.id), "one was taken out");
    await page.getByRole("button", { name: "By the sea" }).click();
    await page.getByRole("button", { name: "Edit highlight" }).click();
    await changing.getByRole("button", { name: "Remove highlight" }).click();
    await page.getByText("Highlight removed").waitFor(LONG);
    await assert.rejects(call(bob, "GET", `/v1/highlights/${id}`), /404/);

    await page.getByRole("button", { name: /^Story of .*: kept$/ }).click();
    await shownAgain.getByRole("button", { name: "Erase for good" }).click();
    const question = page.getByRole("dialog", { name: "Erase this story from the archive?" });
    await question.getByRole("button", { name: "Erase for good" }).click();
    await page.getByText("Erased from the archive").waitFor(LONG);
    assert.equal((await call(ann, "GET", "/v1/me/archive")).items.length, 1);
    assert.deepEqual([...blocked(page), ...blocked(his)], []);

    const without = await visit(browser, ann);
    await without.route("**/v1/config", async (route) => {
      const answer = await route.fetch();
      const config = await answer.json();
      await route.fulfill({
        response: answer,
        json: { ...config, features: config.features.filter((each) => each !== "archive") },
      });
    });
    await without.goto(without.url().replace(/#.*/, "#/me"));
    await without.reload();
    await without.getByRole("heading", { name: "Your stories" }).waitFor(LONG);
    await without.getByRole("heading", { name: "Settings" }).waitFor(LONG);
    assert.equal(await without.getByRole("heading", { name: "Archive" }).count(), 0, "hidden where it is off");
  },

  /**
   * Sign-in at an OpenID provider with PKCE: foreign answers are refused, tokens are in memory alone and renewed, a
   * reload asks the provider, signing out ends it there. Needs a stack with AUTH_ISSUER and OIDC_CLIENT_ID.
   */
  async oidc() {
    const [ann] = await pair();
    const given = await provider(process.env.AUTH_ISSUER, ann, `${URL_}/app/`);
    const page = await visit(browser, null, { path: "/me" });
    const begin = async () => {
      await page.getByRole("button", { name: "Continue" }).click(LONG);
      await page.getByRole("link", { name: `Sign in as ${ann}` }).click(LONG);
    };
    await page.getByText(`You sign in at ${new URL(process.env.AUTH_ISSUER).host}`).waitFor(LONG);
    await accessible(page, "sign-in at a provider");
    for (const [faults, refusal] of [
      [{ state: "another" }, /another question/],
      [{ nonce: "another" }, /another nonce/],
    ]) {
      given.faults = faults;
      await begin();
      await page.getByText(refusal).waitFor(LONG);
      assert.equal(new URL(page.url()).search, "", "the code has left the address");
    }
    given.faults = {};
    await begin();
    await page.getByRole("heading", { name: ann }).waitFor(LONG);
    assert.match(page.url(), /\/app\/#\/me$/);

    const stored = await page.evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
    );
    for (const each of given.tokens) assert.ok(!stored.includes(each), "no token is stored");
    for (let tries = 0; given.refreshed === 0; tries++) {
      assert.ok(tries < 100, "the access token is renewed");
      await page.getByRole("link", { name: "Home" }).click();
      await page.getByRole("link", { name: "Me", exact: true }).click();
      await page.waitForTimeout(300);
    }
    await page.reload();
    await page.getByRole("heading", { name: ann }).waitFor(LONG);

    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Continue" }).waitFor(LONG);
    assert.deepEqual([given.revoked.length, given.ended], [1, 1]);
    await page.reload();
    await page.getByRole("button", { name: "Continue" }).waitFor(LONG);
    assert.deepEqual(blocked(page), []);
    given.close();
  },

  /** A shared link leads to the story; the shell opens offline, and nothing but the shell was kept. */
  async shell() {
    const [ann, bob] = await pair();
    const story = await post(ann, "sea.jpg", { caption: "look at this" });
    const read = async (id) => (await fetch(`${URL_}/s/${id}`)).text();
    const preview = await read(story.id);
    assert.match(preview, /<meta property="og:title" content="[^"]+">/);
    assert.equal(preview, await read(crypto.randomUUID()), "a link tells nothing, not even whether there is a story");
    const page = await visit(browser, bob);
    await page.goto(new URL(`/s/${story.id}`, page.url()).href);
    await page.getByRole("link", { name: "Watch it here" }).click();
    await shown(page, "look at this").waitFor(LONG);
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.reload(); // now through the worker
    await shown(page, "look at this").waitFor(LONG);
    const kept = await page.evaluate(async () => {
      const found = await Promise.all(
        (await caches.keys()).map(async (name) =>
          (await (await caches.open(name)).keys()).map((each) => new URL(each.url).pathname),
        ),
      );
      return found.flat();
    });
    assert.ok(kept.includes("/app/"), "the page is kept");
    assert.deepEqual(
      kept.filter((each) => !/^\/app\/($|[\w.-]+\.(js|css)$)/.test(each)),
      [],
    );
    await page.context().setOffline(true);
    await page.reload();
    await page.locator("#app > *").first().waitFor(LONG);
    assert.deepEqual(
      page.problems.filter((each) => /Content Security Policy|TrustedScript/.test(each)),
      [],
    );
  },

  /** No findings of axe in any view, in both themes, and nothing in the console that the policy blocked. */
  async accessibility() {
    const [ann, bob] = await pair();
    await post(ann, "sea.jpg", { caption: "look" });
    await post(bob, "dusk.jpg", { caption: "mine" });
    for (const theme of ["light", "dark"]) {
      for (const [path, seen] of [
        ["/", `Story of ${ann}`],
        ["/me", "Your stories"],
        ["/new", "Choose a photo or clip"],
        [`/u/${ann}`, "look"],
      ]) {
        const page = await visit(browser, bob, { theme, path, width: path === "/" ? 390 : 1440 });
        await (path === "/" ? page.getByRole("link", { name: new RegExp(seen) }) : page.getByText(seen))
          .first()
          .waitFor(LONG);
        if (path.startsWith("/u/")) await page.keyboard.press("k");
        await page.waitForTimeout(500);
        await accessible(page, `${path}, ${theme}`);
        const blocked = page.problems.filter((each) =>
          /Content Security Policy|TrustedHTML|is not a function|undefined/.test(each),
        );
        assert.deepEqual(blocked, []);
        await page.context().close();
      }
    }
  },
};

Object.assign(journeys, social(browser), making(browser), layout(browser));

let failed = false;
for (const name of process.argv.length > 2
  ? process.argv.slice(2)
  : Object.keys(journeys).filter((each) => each !== "oidc")) {
  const began = Date.now();
  try {
    await journeys[name]();
    console.log(`ok ${name} ${((Date.now() - began) / 1000).toFixed(1)} s`);
  } catch (error) {
    failed = true;
    console.log(`FAILED ${name}: ${error.stack}`);
    for (const [number, context] of browser.contexts().entries()) {
      for (const page of context.pages())
        await page.screenshot({ path: `/tmp/journey-${name}-${number}.png` }).catch(() => undefined);
    }
  }
  for (const context of browser.contexts()) await context.close();
}
await browser.close();
process.exit(failed ? 1 : 0);
