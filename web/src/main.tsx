import { render } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import type { Item } from "stories-client";
import { lazyView } from "./lazyView";
import { Player } from "./player/Player";
import { attempt, behind, go, listed, route, session, signIn, signInSettings, tray } from "./state";
import "./style.css";
import { t } from "./text";
import { Avatar, Icon, Mark, Toast } from "./ui/parts";
import { DeleteDialog } from "./views/Deletion";
import { Home } from "./views/Home";
import { SignIn } from "./views/SignIn";
import { StoryGrid } from "./views/StoryGrid";

const Create = lazyView(() => import("./views/Create").then((views) => views.Create));
const Scenes = lazyView(() => import("./scenes/Scenes").then((views) => views.Scenes));
const Moderation = lazyView(() => import("./moderation/Moderation").then((views) => views.Moderation));
const Profile = lazyView(() => import("./archive/Profile").then((views) => views.Profile));
const Me = lazyView(() => import("./views/Me").then((views) => views.Me));

const parts = (path: string) => path.split("/").map(decodeURIComponent);

function App() {
  const [forYou, setForYou] = useState<Item[] | null>(null);
  const [tagged, setTagged] = useState<{ name: string; items: Item[] } | null>(null);
  const [, watched = "", who = "", start] = parts(route.value);
  const [, section = "", name = ""] = parts(behind.value);
  const user = session.value?.user;
  useEffect(() => {
    setForYou(null);
    setTagged(null);
  }, [user]);
  // The player lies over a page, which stays where it is.
  useLayoutEffect(() => scrollTo(0, 0), [behind.value]);
  if (!user) {
    return (
      <>
        {section === "scenes" ? <Scenes /> : <SignIn />}
        <Toast />
      </>
    );
  }
  return (
    <>
      <Navigation at={section} user={user} />
      {section === "new" ? (
        <Create />
      ) : section === "scenes" ? (
        <Scenes />
      ) : section === "moderation" && session.value?.admin ? (
        <Moderation />
      ) : section === "me" ? (
        <Me />
      ) : section === "p" ? (
        <Profile name={name} />
      ) : section === "tag" ? (
        <main class="home">
          <h1 class="tag-title">#{name}</h1>
          <StoryGrid
            path={{ tag: name }}
            known={tagged?.name === name ? tagged.items : null}
            onKnown={(items) => setTagged({ name, items })}
          />
        </main>
      ) : (
        <Home known={forYou} onKnown={setForYou} />
      )}
      <Watching key={`${watched}/${who}`} section={watched} name={who} start={start} />
      <DeleteDialog />
      <Toast />
    </>
  );
}

/** The player over the page: `/u/ann` plays on through the tray, `/s/id` through the cards it was chosen from. */
function Watching({ section, name, start }: { section: string; name: string; start?: string }) {
  const { api, user } = session.value ?? {};
  const [shared, setShared] = useState<Item | null>(null);
  const known = section === "s" ? listed.value.find((item) => item.id === name) : undefined;
  const close = () => go(behind.value, true);
  useEffect(() => {
    if (section === "s" && !known && api)
      void attempt(api.story(name)).then((item) => (item ? setShared(item) : close()));
  }, [section, name]);
  if (section === "u" && tray.value) {
    const authors = tray.value.items.map((ring) => ring.author_id);
    // After the new ones come no seen ones, as people know it.
    const unseen = tray.value.items.filter((ring) => ring.ring === "unseen").map((ring) => ring.author_id);
    const queue = unseen.includes(name) ? unseen : authors.includes(name) ? authors : [name];
    return <Player author={name} authors={name === user ? [name] : queue} start={start} onClose={close} />;
  }
  const item = known ?? shared;
  if (section !== "s" || !item) return null;
  const rest = known ? listed.value.slice(listed.value.indexOf(known)) : [item];
  const authors = [...new Set(rest.map((each) => each.author_id))];
  return <Player author={item.author_id} authors={authors} known={rest} start={item.id} onClose={close} />;
}

function Navigation({ at, user }: { at: string; user: string }) {
  const home = !["new", "me", "scenes", "moderation"].includes(at);
  return (
    <nav class="navigation" aria-label={t("stories")}>
      <a class="brand" href="#/">
        <Mark />
        <span>Stories</span>
      </a>
      <a href="#/" aria-current={home ? "page" : undefined}>
        <Icon name="house" filled={home} />
        <span>{t("home")}</span>
      </a>
      <a href="#/new" class="new" aria-current={at === "new" ? "page" : undefined}>
        <span class="new-mark">
          <Icon name="plus" />
        </span>
        <span>{t("create")}</span>
      </a>
      <a href="#/me" aria-current={at === "me" ? "page" : undefined}>
        <Avatar user={user} size={26} />
        <span>{t("me")}</span>
      </a>
      {session.value?.admin && (
        <a href="#/moderation" aria-current={at === "moderation" ? "page" : undefined}>
          <Icon name="flag" filled={at === "moderation"} />
          <span>{t("moderation")}</span>
        </a>
      )}
    </nav>
  );
}

/** The worker keeps the shell for the next time; its address is the only script that the policy lets us name. */
async function keepShell(): Promise<void> {
  if (!import.meta.env.PROD || !navigator.serviceWorker) return;
  const { trustedTypes } = globalThis as {
    trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(url: string): string } };
  };
  const worker = `${import.meta.env.BASE_URL}sw.js`;
  await navigator.serviceWorker.register(
    trustedTypes?.createPolicy("worker", { createScriptURL: () => worker }).createScriptURL(worker) ?? worker,
  );
}
void keepShell().catch(() => undefined); // a browser that keeps nothing shows the same

/** Ask the provider whether somebody is still signed in there; the page is left for the answer. */
async function renewed(): Promise<void> {
  const settings = await signInSettings();
  if (settings) await (await import("./signin/oidc")).begin(settings, true).catch(() => undefined);
}

const root = document.getElementById("app");
const before = sessionStorage.getItem("user");
const answer = new URLSearchParams(location.search);
if (answer.has("state")) await (await import("./signin/oidc")).returned(answer);
else if (sessionStorage.getItem("oidc.in")) await renewed();
else if (before)
  await signIn(before, sessionStorage.getItem("admin") === "true").catch(() => sessionStorage.removeItem("user"));
if (root) render(<App />, root);
