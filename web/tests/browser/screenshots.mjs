/** Screenshots of every view in both themes for the documentation: `node screenshots.mjs FOLDER [VIEW…] [SIZE…]`, after `seed.mjs`. */
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch, SCENES, visit } from "./stage.mjs";

const folder = process.argv[2] ?? "docs/images";
const SIZES = { phone: { width: 360, height: 780, touch: true }, desktop: { width: 1440, height: 900 } };
// The camera shows a scene: a Motion JPEG is pictures one after the other.
const sight = join(await mkdtemp(join(tmpdir(), "sight-")), "sight.mjpeg");
await writeFile(sight, await readFile(`${SCENES}/lagoon.jpg`));
const browser = await launch(`--use-file-for-fake-video-capture=${sight}`);
/** Stand still on the first story, so that every run shows the same. */
const still = async (page) => {
  await page.locator(".player .caption-line").waitFor();
  await page.waitForTimeout(400);
  await page.keyboard.press("k");
};
const settle = (page) => page.waitForTimeout(700);
const pictures = (page) =>
  page.waitForFunction(() => [...document.images].every((each) => each.complete && each.naturalWidth));

const views = {
  "sign-in": {
    user: null,
    path: "/",
    ready: async (page) => {
      await page.route("**/app/sign-in.json", (route) => route.fulfill({ status: 404 }));
      await page.reload();
      await page.getByRole("button", { name: "Continue" }).waitFor();
    },
  },
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
  trim: {
    path: "/new",
    act: async (page) => {
      await page.locator("input[type=file]").setInputFiles(`${SCENES}/clip.mp4`);
      await page.getByRole("button", { name: "Trim", exact: true }).click();
      await page.getByLabel("Start", { exact: true }).fill("1.5");
      await page.getByLabel("End", { exact: true }).fill("6");
      await page.waitForTimeout(2500);
      await page.evaluate(() => document.querySelector(".canvas video").pause());
    },
  },
  camera: {
    path: "/new",
    act: async (page) => {
      await page.getByRole("button", { name: "Take a photo or clip" }).click();
      await page.locator(".shutter:enabled").waitFor();
    },
  },
  schedule: {
    path: "/me",
    ready: (page) => page.locator(".own-card").first().waitFor(),
    act: (page) => page.getByRole("button", { name: "Change the time" }).first().click(),
  },
  explain: {
    path: "/me",
    ready: (page) => page.locator(".own-card img").first().waitFor(),
    act: async (page) => {
      await page.getByRole("button", { name: "Can somebody see it?" }).first().click();
      await page.getByRole("textbox", { name: "Their name" }).fill("mia");
      await page.keyboard.press("Enter");
      await page.locator(".rules li").first().waitFor();
    },
  },
  me: { path: "/me", ready: (page) => page.locator(".highlights img").first().waitFor() },
  archive: {
    path: "/me",
    ready: (page) => page.locator(".kept-stories img").first().waitFor(),
    act: (page) =>
      page.getByRole("heading", { name: "Highlights" }).evaluate((each) => each.scrollIntoView({ block: "start" })),
  },
  highlight: {
    path: "/p/bob",
    user: "mia",
    ready: (page) => page.locator(".highlights img").first().waitFor(),
    act: async (page) => {
      await page.getByRole("button", { name: "Mountains" }).click();
      await page.locator(".show img").waitFor();
    },
  },
  moderation: {
    user: "moderator",
    admin: true,
    path: "/moderation",
    ready: (page) => page.locator(".report img").first().waitFor(),
  },
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

const [wantedSizes, wanted] = [true, false].map((size) =>
  process.argv.slice(3).filter((each) => each in SIZES === size),
);
for (const [name, { user = process.env.VIEWER ?? "bob", path, ready, act, tall, admin }] of Object.entries(views)) {
  if (wanted.length && !wanted.includes(name)) continue;
  for (const [size, options] of Object.entries(SIZES)) {
    if (wantedSizes.length && !wantedSizes.includes(size)) continue;
    for (const theme of ["light", "dark"]) {
      const page = await visit(browser, user, {
        ...options,
        ...(tall && size === "desktop" && { height: tall }),
        theme,
        path,
        admin,
      });
      if (user) await page.route("**/v1/views", (route) => route.abort()); // so that rings stay as they are
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
