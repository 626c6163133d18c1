/** Screenshots of every view in both themes for the documentation: `node screenshots.mjs FOLDER`, after `seed.mjs`. */
import { launch, SCENES, visit } from "./stage.mjs";

const folder = process.argv[2] ?? "docs/images";
const SIZES = { phone: { width: 390, height: 844, touch: true }, desktop: { width: 1440, height: 900 } };
const browser = await launch();
/** Stand still on the first story, so that every run shows the same. */
const still = async (page) => {
  await page.locator(".player .caption-line").waitFor();
  await page.waitForTimeout(1100);
  await page.keyboard.press("k");
};
const settle = (page) => page.waitForTimeout(700);
const pictures = (page) =>
  page.waitForFunction(() => [...document.images].every((each) => each.complete && each.naturalWidth));

const views = {
  "sign-in": { user: null, path: "/" },
  home: { path: "/", ready: (page) => page.locator(".grid .story-card").first().waitFor() },
  player: { path: "/u/ann", ready: still },
  poll: { path: "/u/lena", ready: still, act: (page) => page.getByRole("button", { name: "The blue one" }).click() },
  reactions: {
    path: "/u/mia",
    ready: still,
    act: (page) => page.getByRole("button", { name: /^(React|You reacted)/ }).click(),
  },
  comments: {
    path: "/u/ann",
    ready: still,
    act: (page) => page.getByRole("button", { name: /Add a comment/ }).click(),
  },
  create: {
    path: "/new",
    act: async (page) => {
      await page.locator("input[type=file]").setInputFiles(`${SCENES}/meadow.jpg`);
      await page.getByRole("button", { name: "Text", exact: true }).click();
      await page.locator(".layer-panel textarea").fill("worth the early alarm");
      await page.getByRole("button", { name: "Done" }).scrollIntoViewIfNeeded();
      await page.evaluate(() => scrollTo(0, 0));
    },
  },
  me: { path: "/me" },
  viewers: {
    path: `/u/${process.env.VIEWER ?? "bob"}`,
    ready: still,
    act: (page) => page.getByRole("button", { name: /Viewers/ }).click(),
  },
  scenes: {
    user: null,
    path: "/scenes",
    tall: 1360,
    ready: (page) => page.locator(".state.live").waitFor(),
    act: async (page) => {
      await page.getByRole("button", { name: "Send a story through" }).click();
      await page.getByText("reacted 🔥").waitFor({ timeout: 30_000 });
      const gone = page.locator(".lives button", { hasText: "gone" }).first();
      if (await gone.count()) await gone.click();
      await page.evaluate(() => scrollTo(0, 0));
      await page.locator(".dot").first().waitFor({ state: "attached", timeout: 90_000 });
      await page.waitForTimeout(380);
      await page.evaluate(() => document.getAnimations().forEach((each) => each.pause()));
    },
  },
};

const wanted = process.argv.slice(3);
for (const [name, { user = process.env.VIEWER ?? "bob", path, ready, act, tall }] of Object.entries(views)) {
  if (wanted.length && !wanted.includes(name)) continue;
  for (const [size, options] of Object.entries(SIZES)) {
    for (const theme of ["light", "dark"]) {
      const page = await visit(browser, user, {
        ...options,
        ...(tall && size === "desktop" && { height: tall }),
        theme,
        path,
      });
      await page.route("**/v1/views", (route) => route.abort()); // so that rings stay as they are
      if (ready) await ready(page);
      else await page.waitForTimeout(900);
      await act?.(page);
      await settle(page);
      await pictures(page).catch(() => undefined);
      await page.screenshot({ path: `${folder}/${name}-${size}-${theme}.jpg`, type: "jpeg", quality: 82 });
      await page.context().close();
    }
  }
}
await browser.close();
