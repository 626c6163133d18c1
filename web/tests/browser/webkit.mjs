/**
 * The main journey in WebKitGTK, which has a WebDriver and no BiDi: `node webkit.mjs MINIBROWSER` against the stack at
 * STORIES_URL, on the display of DISPLAY. Signs in, sees the ring, plays a photo and a clip, reacts, posts a photo.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { pair, until } from "./checks.mjs";
import { call, item, post, SCENES, URL_ } from "./stage.mjs";

const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

/** A page over the classic WebDriver protocol: what this one journey needs of it. */
class Page {
  static async open(driver, binary) {
    const capabilities = { alwaysMatch: { "webkitgtk:browserOptions": { binary, args: ["--automation"] } } };
    const page = new Page(driver);
    const { sessionId } = await page.send("POST", "", { capabilities });
    page.path = `/${sessionId}`;
    return page;
  }

  constructor(driver) {
    this.driver = driver;
    this.path = "";
  }

  async send(method, path, body = method === "POST" ? {} : undefined) {
    const response = await fetch(`${this.driver}/session${this.path}${path}`, { method, body: JSON.stringify(body) });
    const { value } = await response.json();
    if (!response.ok) throw new Error(`${path}: ${value.error}: ${value.message}`);
    return value;
  }

  run(script, ...args) {
    return this.send("POST", "/execute/sync", { script, args });
  }

  /** The element, as soon as there is one. */
  async find(selector) {
    let found;
    await until(`${selector} is there`, async () => {
      [found] = await this.send("POST", "/elements", { using: "css selector", value: selector });
      return Boolean(found);
    });
    return found[ELEMENT];
  }

  async click(selector) {
    await this.send("POST", `/element/${await this.find(selector)}/click`);
  }

  async type(selector, text) {
    await this.send("POST", `/element/${await this.find(selector)}/value`, { text });
  }

  async see(selector, text) {
    await until(`${selector} says ${text}`, () =>
      this.run(
        "return document.querySelector(arguments[0])?.textContent.includes(arguments[1]) ?? false",
        selector,
        text,
      ),
    );
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function journey(page) {
  const [ann, bob] = await pair();
  await post(ann, "sea.jpg", { caption: "hello from ann" });
  await post(ann, "clip.mp4", { caption: "it moves" });
  await page.send("POST", "/window/rect", { width: 1200, height: 860 });
  await page.send("POST", "/url", { url: `${URL_}/app/` });
  await page.type("input[name=who]", bob);
  await page.click(".sign-in button[type=submit]");
  await page.see(".tray", ann);
  await page.click(`.tray a[href="#/u/${ann}"]`);
  await page.see(".player .caption-line", "hello from ann");
  await page.click('.player [aria-label="React"]');
  await page.click('.player [aria-label="🔥"]');
  await page.see(".mine-emoji", "🔥");
  await page.click(".player .zone.next");
  await page.see(".player .caption-line", "it moves");
  await until("the clip plays", () => page.run("return document.querySelector('.picture video')?.currentTime > 0.5"));
  await page.click('.player [aria-label="Close"]');
  await until("the ring is seen", () => page.run("return Boolean(document.querySelector('.tray .ring.seen'))"));
  await until("the reaction counts", async () => {
    const [{ id }] = (await call(ann, "GET", `/v1/users/${ann}/stories`)).items;
    return (await call(ann, "GET", `/v1/stories/${id}/insights`)).reactions["🔥"] === 1;
  });

  await page.run("location.hash = '#/new'");
  await page.type("input[type=file]", `${SCENES}/dusk.jpg`);
  await page.type("textarea[name=caption]", "from WebKit");
  await page.click(".editor button[type=submit]");
  let story;
  await until("it is live", async () => {
    [story] = (await call(bob, "GET", "/v1/me/stories?state=live")).items;
    return Boolean(story);
  });
  await until("and seen by others", async () => Boolean(await item(ann, bob, story.id)));
  assert.equal(story.caption, "from WebKit");
}

const port = await freePort();
const driver = spawn("WebKitWebDriver", [`--port=${port}`], { stdio: "ignore" });
let page;
try {
  const url = `http://127.0.0.1:${port}`;
  await until("the driver answers", () =>
    fetch(`${url}/status`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  page = await Page.open(url, process.argv[2]);
  await journey(page);
  console.log("ok webkit");
} finally {
  await page?.send("DELETE", "").catch(() => undefined);
  driver.kill();
}
