/** What the whole client shares: who is signed in, the API, the tray, the route, messages. */
import { effect, signal } from "@preact/signals";
import { type Config, type Item, type Ring, Stories, StoriesError, type Tray, type ViewQueue } from "stories-client";
import { speak, t } from "./text";

export interface Session {
  user: string;
  api: Stories;
  views: ViewQueue;
  admin: boolean;
  /** Signed in by name: the stack of a developer. */
  development: boolean;
  /** End the session where it began, too. */
  leave?: () => Promise<void>;
}

export const session = signal<Session | null>(null);
export const tray = signal<Tray | null>(null);
export const trayError = signal(false);
export const config = signal<Config | null>(null);
export const toast = signal<{ text: string; id: number } | null>(null);
export const route = signal(location.hash.slice(1) || "/");
/** The page that lies under the player, and to which it closes. */
export const behind = signal(/^\/u\/[^/]+\/./.test(route.value) ? "/me" : "/");
/** The cards among which a story was chosen: the player goes on through them. */
export const listed = signal<readonly Item[]>([]);
/** The author whose stories changed last: a player that shows them reads them again. */
export const endings = signal<{ author: string; at: number }>({ author: "", at: 0 });
export const following = signal<ReadonlySet<string>>(new Set());
/** Whose new stories are announced. */
export const notified = signal<ReadonlySet<string>>(new Set());

effect(() => {
  if (!/^\/[us]\//.test(route.value)) behind.value = route.value;
});

addEventListener("hashchange", () => {
  route.value = location.hash.slice(1) || "/";
});

export function go(path: string, replace = false): void {
  if (replace) {
    history.replaceState(null, "", `#${path}`);
    route.value = path;
  } else location.hash = path;
}

let number = 0;
export function say(text: string): void {
  const id = ++number;
  toast.value = { text, id };
  setTimeout(() => {
    if (toast.value?.id === id) toast.value = null;
  }, 3500);
}

/** Tell what went wrong, in words with what to do. */
export function explain(error: unknown): string {
  if (!(error instanceof StoriesError)) return t("failed");
  if (error.status === 0) return t("offline");
  if (error.status === 429) return t("tooMany", { n: error.retryAfter ?? 60 });
  if (error.status === 404) return t("ended");
  return error.detail ? t("explain", { text: error.detail }) : error.message;
}

/** What a call answers; null where it failed, which is told. */
export async function attempt<T>(call: Promise<T> | undefined): Promise<T | null> {
  try {
    return (await call) ?? null;
  } catch (error) {
    say(explain(error));
    return null;
  }
}

/** Whether a call worked; where it did not, that is told. */
export async function succeeded(call: Promise<unknown> | undefined): Promise<boolean> {
  return (await attempt(call?.then(() => true))) ?? false;
}

/** The items of a list that is read page by page, or the first `most` of them. */
export async function collect<T>(pages: AsyncIterable<T> | undefined, most = Number.POSITIVE_INFINITY): Promise<T[]> {
  const found: T[] = [];
  for await (const each of pages ?? []) if (found.push(each) >= most) break;
  return found;
}

// Signing in

export interface SignInSettings {
  issuer: string;
  client_id: string;
  scope: string;
  audience: string;
}

/** The OpenID provider of the installation, as its gateway names it; null where there is none. */
export async function signInSettings(): Promise<SignInSettings | null> {
  const response = await fetch(`${import.meta.env.BASE_URL}sign-in.json`).catch(() => null);
  const found = response?.ok ? ((await response.json().catch(() => null)) as SignInSettings | null) : null;
  return found?.client_id && found.issuer ? found : null;
}

/** Whether the installation lets one choose a name; only the embedded stack does. */
export async function signInByName(): Promise<boolean> {
  const response = await fetch("/dev/sign-in").catch(() => null);
  return response?.ok === true;
}

export async function tokenFor(user: string, admin = false): Promise<string> {
  const response = await fetch("/dev/sign-in", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user, admin }),
  });
  const body = await response.json().catch(() => null);
  if (!response.ok) throw StoriesError.of(response, body);
  return (body as { token: string }).token;
}

let stop = new AbortController();

export async function signIn(user: string, admin = false): Promise<void> {
  let token = await tokenFor(user, admin);
  const current = async (refused: boolean) => {
    if (refused) token = await tokenFor(user, admin);
    return token;
  };
  start(user, current, { admin, development: true });
  sessionStorage.setItem("user", user);
  sessionStorage.setItem("admin", String(admin));
}

/** Sign in with a token of the host's, whose page may also hand it over with `postMessage`. */
export function signInWithToken(token: string): void {
  const claims = JSON.parse(atob((token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/"))) as {
    sub?: string;
    roles?: string[];
  };
  start(claims.sub ?? "", () => token, { admin: claims.roles?.includes("admin") ?? false });
}

export function start(
  user: string,
  token: (refused: boolean) => string | Promise<string>,
  { admin = false, development = false, leave }: Partial<Session>,
): void {
  const api = new Stories({ baseUrl: location.origin, token });
  const views = api.views({ storage: localStorage, key: `views.${user}` });
  stop = new AbortController();
  stop.signal.addEventListener("abort", views.attach(document, window));
  tray.value = null;
  session.value = { user, api, views, admin, development, leave };
  void api.config().then(
    (found) => (config.value = found),
    () => undefined,
  );
  void refreshTray();
  void readFollowing();
  void live(api, stop.signal);
}

/** Sign out; with `everywhere` at the provider, too, where one signed in there. */
export function signOut(everywhere = true): void {
  const { views, leave } = session.value ?? {};
  void views?.flush(true);
  stop.abort();
  sessionStorage.removeItem("user");
  session.value = tray.value = null;
  listed.value = [];
  go("/");
  if (everywhere) void leave?.();
}

// The tray

let asked: Promise<void> | null = null;
export function refreshTray(): Promise<void> {
  asked ??= (async () => {
    const { api } = session.value ?? {};
    if (!api) return;
    try {
      const before = tray.peek();
      const after = await api.tray();
      tray.value = after;
      for (const ring of before?.items ?? []) {
        const now = after.items.find((each) => each.author_id === ring.author_id);
        if (now?.stories !== ring.stories) endings.value = { author: ring.author_id, at: Date.now() };
      }
      trayError.value = false;
    } catch (error) {
      trayError.value = true;
      if (!(error instanceof StoriesError && error.temporary)) say(explain(error));
    }
  })().finally(() => (asked = null));
  return asked;
}

/** Follow live updates; where there are none, ask for the tray every few seconds while the page is seen. */
async function live(api: Stories, signal: AbortSignal): Promise<void> {
  try {
    for await (const event of api.live(signal)) {
      if (event.event === "ring") endings.value = { author: event.data.author_id, at: Date.now() };
      void refreshTray();
    }
  } catch {
    const timer = setInterval(() => document.visibilityState === "visible" && refreshTray(), 3000);
    signal.addEventListener("abort", () => clearInterval(timer));
  }
}
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refreshTray());

/** A ring is seen as soon as its last story was shown; the server agrees a moment later. */
export function markSeen(author: string): void {
  const known = tray.value;
  if (!known) return;
  const change = (ring: Ring): Ring => (ring.author_id === author ? { ...ring, ring: "seen", unseen: 0 } : ring);
  tray.value = { ...known, items: known.items.map(change), mine: known.mine && change(known.mine) };
}

async function readFollowing(): Promise<void> {
  try {
    const edges = await collect(session.value?.api.edges("following"));
    following.value = new Set(edges.map((edge) => edge.user_id));
    notified.value = new Set(edges.filter((edge) => edge.notify).map((edge) => edge.user_id));
  } catch {
    // The buttons say "Follow" then, which changes nothing for those who do already.
  }
}

export async function setFollowing(user: string, on: boolean): Promise<void> {
  if (!(await succeeded(session.value?.api.setEdge("following", user, on)))) return;
  following.value = changed(following.value, user, on);
  if (!on) notified.value = changed(notified.value, user, false);
  say(t(on ? "followed" : "unfollowed", { name: user }));
  setTimeout(refreshTray, 300);
}

const changed = (set: ReadonlySet<string>, one: string, on: boolean) =>
  new Set([...[...set].filter((each) => each !== one), ...(on ? [one] : [])]);

export async function setNotified(user: string, notify: boolean): Promise<void> {
  const path = `/v1/following/${encodeURIComponent(user)}`;
  if (!(await succeeded(session.value?.api.call("PUT", path, { body: { notify } })))) return;
  notified.value = changed(notified.value, user, notify);
  following.value = changed(following.value, user, true);
  say(t(notify ? "notifyOn" : "notifyOff", { name: user }));
}

// Choices of this browser

export type Theme = "auto" | "light" | "dark";
export const theme = signal<Theme>((localStorage.getItem("theme") as Theme | null) ?? "auto");
export const muted = signal(true);
export const captionsOn = signal(localStorage.getItem("captions") !== "off");

effect(() => {
  document.documentElement.dataset.theme = theme.value;
  localStorage.setItem("theme", theme.value);
});
effect(() => localStorage.setItem("captions", captionsOn.value ? "on" : "off"));
void speak(localStorage.getItem("language") ?? navigator.language.slice(0, 2));
