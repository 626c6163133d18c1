/** A browser and people with stories, for journeys and screenshots: against the stack at STORIES_URL. */
import { readFile } from "node:fs/promises";
import { chromium, firefox } from "playwright-core";

export const URL_ = process.env.STORIES_URL ?? "http://127.0.0.1:8080";
export const SCENES = process.env.SCENES ?? "/tmp/scenes";

/** Chromium, or with FIREFOX a Firefox as it is installed, over WebDriver BiDi. */
export const launch = (...args) =>
  process.env.FIREFOX ? firefox.launch({ channel: "moz-firefox", executablePath: process.env.FIREFOX }) : chromes(args);

const chromes = (args) =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
      "--autoplay-policy=no-user-gesture-required",
      "--font-render-hinting=none",
      ...args,
    ],
  });

export async function token(user, admin = false) {
  const response = await fetch(`${URL_}/dev/sign-in`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user, admin }),
  });
  return (await response.json()).token;
}

export async function call(user, method, path, body, headers = {}) {
  const response = await fetch(URL_ + path, {
    method,
    headers: {
      Authorization: `Bearer ${await token(user)}`,
      ...(body && { "Content-Type": "application/json" }),
      ...headers,
    },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** Post a file of the scenes as a user; returns the live story. */
export async function post(user, name, choices = {}, when = null) {
  const type = name.endsWith(".mp4") ? "video/mp4" : "image/jpeg";
  const bytes = await readFile(name.startsWith("/") ? name : `${SCENES}/${name}`);
  const draft = await call(user, "POST", "/v1/stories", {
    media: { content_type: type, size: bytes.length },
    ...choices,
  });
  const form = new FormData();
  for (const [key, value] of Object.entries(draft.upload.fields)) form.append(key, value);
  form.append("file", new Blob([bytes], { type }));
  await fetch(draft.upload.url, { method: "POST", body: form });
  for (;;) {
    const answer = await call(user, "POST", `/v1/stories/${draft.id}/publish${when ? "" : "?wait=20"}`, when);
    if (answer.state === (when ? "scheduled" : "live")) return answer;
  }
}

const WORDS = { kind: "text", text: "Hello", x: 0.5, y: 0.4, w: 0.8, h: 0.12 };

/** Post a text story, which needs no file. */
export async function write(user, choices = {}) {
  const { id } = await call(user, "POST", "/v1/stories", {
    media: { background: ["#2A6CFF", "#6B4DFF"] },
    layers: [WORDS],
    ...choices,
  });
  for (;;) {
    const answer = await call(user, "POST", `/v1/stories/${id}/publish?wait=20`);
    if (answer.state === "live") return answer;
  }
}

export const item = async (user, author, id) =>
  (await call(user, "GET", `/v1/users/${author}/stories`)).items.find((each) => each.id === id);

/** Firefox has no command yet that sets what a page is told of its reader. */
const AS_IT_IS = { colorScheme: null, reducedMotion: null, forcedColors: null, contrast: null };

/** A page of a user who is signed in. */
export async function visit(
  browser,
  user,
  {
    width = 1440,
    height = 900,
    theme = "light",
    path = "/",
    touch = false,
    reducedMotion,
    admin = false,
    scale = width < 600 ? 2 : 1,
  } = {},
) {
  const context = await browser.newContext({
    viewport: { width, height },
    deviceScaleFactor: scale,
    hasTouch: touch,
    locale: "en-GB",
    ...(process.env.FIREFOX ? AS_IT_IS : { colorScheme: theme }),
    ...(reducedMotion && { reducedMotion }),
  });
  const page = await context.newPage();
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  const known = { user, admin: String(admin) };
  if (user)
    await page.addInitScript(
      (names) => Object.entries(names).forEach(([name, value]) => sessionStorage.setItem(name, value)),
      known,
    );
  await page.goto(`${URL_}/app/#${path}`);
  return Object.assign(page, { problems });
}
