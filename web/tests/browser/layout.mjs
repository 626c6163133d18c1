/** Every view at the width of a small phone, a tablet and a desktop: nothing is cut off, nothing scrolls sideways. */
import assert from "node:assert/strict";
import { LONG, pair, shown, unique, until } from "./checks.mjs";
import { call, item, post, SCENES, visit, write } from "./stage.mjs";

const WIDTHS = [360, 768, 1440];

/** What sticks out at a side, and controls whose words do not fit: nothing may, but in what scrolls by itself. */
const cut = (page) =>
  page.evaluate(() => {
    const scrolls = (element) => {
      for (let each = element.parentElement; each && each !== document.body; each = each.parentElement) {
        const { overflowX, position } = getComputedStyle(each);
        if (/auto|scroll/.test(overflowX) && each.scrollWidth > each.clientWidth) return true;
        if (each.localName === "dialog" && position === "fixed") return false;
      }
      return false;
    };
    const found = [];
    if (document.documentElement.scrollWidth > innerWidth)
      found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
    for (const dialog of document.querySelectorAll("dialog[open]"))
      if (dialog.scrollWidth > dialog.clientWidth + 1 && getComputedStyle(dialog).overflowX !== "clip")
        found.push(`a dialog is ${dialog.scrollWidth} px wide`);
    for (const element of document.querySelectorAll(
      "button, a, input, select, textarea, h1, h2, h3, label, dd, legend",
    )) {
      const { left, right, width, height } = element.getBoundingClientRect();
      const style = getComputedStyle(element);
      if (!width || !height || style.visibility === "hidden" || element.closest("[inert], .hidden-text, .layer"))
        continue;
      const name = `${element.localName}.${element.className} "${(element.ariaLabel ?? element.textContent).trim().slice(0, 30)}"`;
      if ((left < -1 || right > innerWidth + 1) && !scrolls(element)) found.push(`${name} reaches ${left} to ${right}`);
      if (
        /^(button|a)$/.test(element.localName) &&
        element.scrollWidth > element.clientWidth + 1 &&
        style.overflow === "visible"
      )
        found.push(`${name} holds ${element.scrollWidth} px in ${element.clientWidth}`);
    }
    return found;
  });

export const layout = (browser) => ({
  async widths() {
    const [ann, bob] = await pair();
    const long = `maximilian-the-second-of-${unique()}`;
    const sheet = (page, name) => page.getByRole("button", { name }).first().click(LONG);
    const at = { x: 0.5, w: 0.72, h: 0.2 };
    const question = { ...at, kind: "question", prompt: "Where would you like to go next summer?", y: 0.4 };
    const story = await post(ann, "sea.jpg", { caption: "A long line ".repeat(12), layers: [question] });
    await post(bob, "dusk.jpg", { caption: "Nothing but the wind and the sea", layers: [question] });
    await write(long, { caption: "hello" });
    await call(bob, "PUT", `/v1/following/${long}`);
    await call(bob, "PUT", `/v1/close-friends/${long}`);
    await call(bob, "PUT", `/v1/muted/mallory-${unique()}`);
    const seen = await item(ann, ann, story.id);
    const ticket = { "Story-Ticket": seen.ticket };
    await call(ann, "POST", `/v1/stories/${story.id}/comments`, { text: "Donaudampfschifffahrt".repeat(4) }, ticket);
    await call(
      bob,
      "POST",
      `/v1/stories/${story.id}/reports`,
      { reason: "spam", text: "An advert" },
      {
        "Story-Ticket": (await item(bob, ann, story.id)).ticket,
      },
    );
    const others = [1, 2, 3].map(() => `eve-${unique()}`); // whom nobody watches: For You leaves out what was seen
    await Promise.all(others.map((each) => write(each, { caption: "Somebody else" })));
    const unseen = async () =>
      (await call(bob, "GET", "/v1/for-you")).items.filter((each) => others.includes(each.author_id));
    await until("For You has them", async () => (await unseen()).length === others.length);
    const file = (page) => page.locator("input[type=file]").setInputFiles(`${SCENES}/sea.jpg`);
    const still = async (page) => {
      await page.locator(".player .caption-line").waitFor(LONG);
      await page.keyboard.press("k");
    };
    const views = [
      [null, "/", (page) => page.getByRole("button", { name: "Continue" }).waitFor(LONG)],
      [bob, "/", (page) => page.locator(".grid .story-card img").first().waitFor(LONG)],
      [bob, "/", (page) => sheet(page, "Add")],
      [
        bob,
        `/tag/${"longtag".repeat(6)}`,
        (page) => page.getByRole("heading", { name: "No stories yet" }).waitFor(LONG),
      ],
      [bob, "/new", (page) => page.getByText("Choose a photo or clip").waitFor(LONG)],
      [
        bob,
        "/new",
        async (page) => {
          await file(page);
          await sheet(page, "Text");
          await page.getByText("More", { exact: true }).click();
          await page.getByLabel("When").selectOption("later");
        },
      ],
      [
        bob,
        "/new",
        async (page) => {
          await file(page);
          await sheet(page, "Quiz");
        },
      ],
      [
        bob,
        "/new",
        async (page) => {
          await file(page);
          await sheet(page, "Crop");
        },
      ],
      [
        bob,
        "/me",
        async (page) => {
          await page.locator(".own-card img").first().waitFor(LONG);
          await page.getByText(/Muted or blocked/).click(LONG);
        },
      ],
      [
        bob,
        "/me",
        async (page) => {
          await page
            .locator(".own-card")
            .getByRole("button", { name: /Viewers/ })
            .first()
            .click(LONG);
          await page.locator(".figures dd").first().waitFor(LONG);
        },
      ],
      [bob, "/me", (page) => sheet(page, "Can somebody see it?")],
      [bob, `/p/${long}`, (page) => page.getByRole("heading", { name: long }).waitFor(LONG)],
      [bob, `/u/${ann}`, still],
      [bob, `/u/${long}`, still],
      [bob, `/u/${bob}`, still],
      [
        bob,
        `/u/${ann}`,
        async (page) => {
          await still(page);
          await sheet(page, "React");
        },
      ],
      [
        bob,
        `/u/${ann}`,
        async (page) => {
          await still(page);
          await sheet(page, "React");
          await page.locator(".quick").getByRole("button", { name: "More" }).click();
          await page.locator(".emoji-group button").first().waitFor(LONG);
        },
      ],
      [
        bob,
        `/u/${ann}`,
        async (page) => {
          await still(page);
          await sheet(page, /Add a comment/);
          await page.locator(".comment").first().waitFor(LONG);
        },
      ],
      [
        bob,
        `/u/${ann}`,
        async (page) => {
          await still(page);
          await page.getByRole("button", { name: "More", exact: true }).click();
          await sheet(page, "Report");
        },
      ],
      [bob, `/s/${story.id}`, (page) => shown(page, "A long line").waitFor(LONG)],
      ["moderator", "/moderation", (page) => page.locator(".report").first().waitFor(LONG)],
      [null, "/scenes", (page) => page.locator(".state.live").waitFor(LONG)],
    ];
    const faults = [];
    const check = async (page, where) => faults.push(...(await cut(page)).map((fault) => `${where}: ${fault}`));
    for (const language of ["en", "de"]) {
      for (const [number, [user, path, ready]] of views.entries()) {
        if (language === "de" && !["/", "/me", "/new", "/moderation"].includes(path)) continue;
        const page = await visit(browser, user, {
          path,
          width: WIDTHS[0],
          height: 780,
          scale: 1,
          admin: user === "moderator",
        });
        await ready(page);
        if (language === "de") await page.evaluate(() => localStorage.setItem("language", "de"));
        if (language === "de") await page.reload();
        for (const width of WIDTHS) {
          await page.setViewportSize({ width, height: width < 600 ? 780 : 900 });
          await page.waitForTimeout(250);
          await check(page, `${number} ${path} at ${width} px, ${language}`);
        }
        if (!/^\/u\//.test(path)) {
          await page.evaluate(() => {
            document.documentElement.dir = "rtl";
          });
          await page.setViewportSize({ width: WIDTHS[0], height: 780 });
          await check(page, `${number} ${path} from right to left`);
        }
        await page.context().close();
      }
    }
    assert.equal(faults.join("\n"), "");
  },
});
