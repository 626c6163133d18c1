import { useEffect, useState } from "preact/hooks";
import type { Item, OwnStory, paths } from "stories-client";
import { later } from "../later";
import { attempt, config, following, say, session, signOut, type Theme, theme, tray } from "../state";
import { type Key, type Language, language, languages, span, speak, t } from "../text";
import { Avatar, Empty, Icon, IconButton, Sheet, TimeField, useNow } from "../ui/parts";
import { confirmDelete, ReceiptSheet } from "./Deletion";
import { AddPerson, StoryCard } from "./Home";
import { People } from "./People";

const Activity = later(() => import("./Activity").then((chunk) => chunk.Activity), null);
const Totals = later(() => import("./Totals").then((chunk) => chunk.Totals), null);
const Archive = later(() => import("../archive/Archive").then((chunk) => chunk.Archive));

const COUNT_MS = 5000;

const over = ({ state, expires_at }: OwnStory) => state === "live" && Date.parse(expires_at ?? "") <= Date.now();

/** One's own stories; those that ended while they were listed stay for their receipts. */
const withEnded = (before: OwnStory[] | null, found: OwnStory[]): OwnStory[] => [
  ...found,
  ...(before ?? [])
    .filter(({ id, state }) => state === "live" && !found.some((each) => each.id === id))
    .map((each) => (over(each) ? each : { ...each, expires_at: new Date().toISOString() })),
];

export function Me() {
  const { api, user = "" } = session.value ?? {};
  const [stories, setStories] = useState<OwnStory[] | null>(null);
  const [items, setItems] = useState<Record<string, Item>>({});
  const [watching, setWatching] = useState<string | null>(null);
  const [adding, setAdding] = useState(false);
  const [asking, setAsking] = useState<string | null>(null);
  const [moving, setMoving] = useState<OwnStory | null>(null);
  const [receipt, setReceipt] = useState<string | null>(null);
  const read = async () => {
    if (!api) return;
    const found: OwnStory[] = [];
    try {
      for await (const each of api.mine()) found.push(each);
      setStories((before) => withEnded(before, found));
      setItems(Object.fromEntries((await api.reel(user)).map((each) => [each.id, each])));
    } catch {
      setStories((before) => before ?? []);
    }
  };
  useEffect(() => {
    void read();
  }, [api, tray.value?.mine?.latest_at, tray.value?.mine?.stories]);
  return (
    <main class="me">
      <header class="profile">
        <Avatar user={user} size={88} />
        <div class="grow">
          <h1>{user}</h1>
          <p>
            <b>{following.value.size}</b> {t("following")} ·{" "}
            <b>{stories?.filter((each) => each.state === "live" && !over(each)).length ?? 0}</b> {t("live")}
          </p>
        </div>
        <a class="button primary wide" href="#/new">
          <Icon name="plus" /> {t("create")}
        </a>
      </header>
      <section>
        <h2>{t("yourStories")}</h2>
        {stories?.length === 0 && <Empty icon="image" title={t("empty")} hint={t("yourStoriesNone")} />}
        <ul class="mine">
          {stories?.map((story) => (
            <OwnCard
              key={story.id}
              story={story}
              item={items[story.id]}
              onActivity={() => setWatching(story.id)}
              onWhy={() => setAsking(story.id)}
              onMove={() => setMoving(story)}
              onReceipt={() => setReceipt(story.id)}
              onDelete={async () => {
                if (await confirmDelete(story.id, story.state === "live")) await read();
              }}
            />
          ))}
        </ul>
      </section>
      <Totals />
      {config.value?.features.includes("archive") && <Archive />}
      <Mentions />
      <People onAdd={() => setAdding(true)} />
      <Settings />
      {watching && <Activity id={watching} layers={items[watching]?.layers} onClose={() => setWatching(null)} />}
      {asking && <Why id={asking} onClose={() => setAsking(null)} />}
      {moving && (
        <Reschedule
          story={moving}
          onClose={(changed) => {
            setMoving(null);
            if (changed) void read();
          }}
        />
      )}
      {receipt && <ReceiptSheet id={receipt} onClose={() => setReceipt(null)} />}
      {adding && <AddPerson onClose={() => setAdding(false)} />}
    </main>
  );
}

/** Stories that mention the reader; nothing where there are none. */
function Mentions() {
  const { api } = session.value ?? {};
  const [items, setItems] = useState<Item[]>([]);
  useEffect(() => {
    void (async () => {
      const found: Item[] = [];
      for await (const each of api?.mentions() ?? []) if (found.push(each) === 20) break;
      setItems(found);
    })().catch(() => undefined); // a server without mentions
  }, [api]);
  if (!items.length) return null;
  return (
    <section>
      <h2>{t("mentions")}</h2>
      <ul class="grid">
        {items.map((item) => (
          <li key={item.id}>
            <StoryCard item={item} among={items} />
          </li>
        ))}
      </ul>
    </section>
  );
}

interface CardProps {
  story: OwnStory;
  item?: Item;
  onActivity: () => void;
  onWhy: () => void;
  onMove: () => void;
  onReceipt: () => void;
  onDelete: () => void;
}

function OwnCard({ story, item, onActivity, onWhy, onMove, onReceipt, onDelete }: CardProps) {
  useNow(1000);
  const [counts, setCounts] = useState<{ viewers: number; reactions: number; comments: number } | null>(null);
  useEffect(() => {
    if (!item) return;
    const read = () => document.hidden || session.value?.api.counts(item).then(setCounts, () => undefined);
    void read();
    const timer = setInterval(read, COUNT_MS);
    return () => clearInterval(timer);
  }, [item?.id]);
  const reason = story.state === "refused" && story.reason ? t(`reason_${story.reason}` as Key) : null;
  if (over(story)) {
    return (
      <li class="own-card">
        <span class="own-poster">
          <Icon name="shield" />
        </span>
        <div class="own-text">
          <b>{t("ended")}</b>
          <button type="button" class="button small" onClick={onReceipt}>
            {t("receipt")}
          </button>
        </div>
      </li>
    );
  }
  return (
    <li class="own-card">
      <a href={item ? `#/u/${encodeURIComponent(story.author_id)}/${story.id}` : undefined} class="own-poster">
        <span class="hidden-text">{t("watch")}</span>
        {item ? <img src={item.poster_url} alt="" /> : <Icon name="clock" />}
        <span class={`chip ${story.state === "live" ? "" : "dark"}`}>
          {t(`state_${story.state}` as Key) || story.state}
        </span>
      </a>
      <div class="own-text">
        <b class="clip">{story.caption ?? reason ?? t("label")}</b>
        {story.publish_at && (
          <small>
            {t("whenAt")} {moment(story.publish_at)}
          </small>
        )}
        {story.expires_at && <small>{t("left", { time: span(Date.parse(story.expires_at) - Date.now()) })}</small>}
        <div class="own-counts">
          <button type="button" class="quiet" onClick={onActivity} disabled={!item}>
            <Icon name="eye" /> {counts?.viewers ?? 0}
            <span class="hidden-text">{t("viewers")}</span>
          </button>
          <span>
            <Icon name="heart" /> {counts?.reactions ?? 0}
          </span>
          <span>
            <Icon name="message-circle" /> {counts?.comments ?? 0}
          </span>
          <span class="own-actions">
            {story.state === "scheduled" && (
              <IconButton icon="clock" class="small" label={t("reschedule")} onClick={onMove} />
            )}
            {item && <IconButton icon="users" class="small" label={t("whyTitle")} onClick={onWhy} />}
            <IconButton icon="trash-2" class="small" label={t("delete")} onClick={onDelete} />
          </span>
        </div>
      </div>
    </li>
  );
}

const moment = (time: string) =>
  new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "short" }).format(Date.parse(time));

type Explanation = paths["/v1/stories/{story_id}/explain"]["get"]["responses"][200]["content"]["application/json"];

/** Whether one person sees a story, by every rule. */
function Why({ id, onClose }: { id: string; onClose: () => void }) {
  const [found, setFound] = useState<{ name: string; of: Explanation } | null>(null);
  const ask = async (event: SubmitEvent) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget as HTMLFormElement).get("viewer") ?? "").trim();
    const asked = session.value?.api.call<Explanation>("GET", `/v1/stories/${id}/explain`, { query: { viewer: name } });
    const of = name && asked ? await attempt(asked) : null;
    if (of) setFound({ name, of });
  };
  return (
    <Sheet title={t("whyTitle")} onClose={onClose}>
      <form class="write-row" onSubmit={ask}>
        <input
          name="viewer"
          required
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          placeholder={t("whyHint")}
          aria-label={t("whyHint")}
        />
        <button type="submit" class="button primary">
          {t("whyCheck")}
        </button>
      </form>
      <div role="status" class="stack">
        {found && <p class="verdict">{t(found.of.visible ? "whyYes" : "whyNo", { name: found.name })}</p>}
        <ul class="rules">
          {found?.of.rules.map(({ rule, passed, detail }) => (
            <li key={rule} class={passed ? "" : "no"}>
              <Icon name={passed ? "check" : "x"} />
              <span>
                <b>{t(`rule_${rule}`)}</b>
                <br />
                <small>{detail}</small>
              </span>
            </li>
          ))}
        </ul>
      </div>
    </Sheet>
  );
}

function Reschedule({ story, onClose }: { story: OwnStory; onClose: (changed: boolean) => void }) {
  const save = async (event: SubmitEvent) => {
    event.preventDefault();
    const at = new Date(String(new FormData(event.currentTarget as HTMLFormElement).get("at")));
    const changed = session.value?.api.change(story.id, { publish_at: at.toISOString() });
    if (changed && (await attempt(changed))) {
      say(t("saved"));
      onClose(true);
    }
  };
  return (
    <Sheet title={t("reschedule")} onClose={() => onClose(false)}>
      <form class="stack" onSubmit={save}>
        <TimeField from={Date.parse(story.publish_at ?? "")} />
        <button type="submit" class="button primary">
          {t("apply")}
        </button>
      </form>
    </Sheet>
  );
}

function Settings() {
  const [history, setHistory] = useState<boolean | null>(null);
  const { api } = session.value ?? {};
  useEffect(() => {
    api?.call<{ view_history: boolean }>("GET", "/v1/me/privacy").then(
      (found) => setHistory(found.view_history),
      () => undefined,
    );
  }, [api]);
  return (
    <section>
      <h2>{t("settings")}</h2>
      <div class="settings">
        <label>
          <span>{t("theme")}</span>
          <select
            value={theme.value}
            onChange={(event) => {
              theme.value = event.currentTarget.value as Theme;
            }}
          >
            {(["auto", "light", "dark"] as const).map((each) => (
              <option key={each} value={each}>
                {t(`theme_${each}`)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>{t("language")}</span>
          <select
            value={language.value}
            onChange={(event) => {
              localStorage.setItem("language", event.currentTarget.value);
              void speak(event.currentTarget.value as Language);
            }}
          >
            {languages.map(([code, name]) => (
              <option key={code} value={code}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {history !== null && (
          <label>
            <span>{t("listMe")}</span>
            <input
              type="checkbox"
              role="switch"
              checked={history}
              onChange={async (event) => {
                const view_history = event.currentTarget.checked;
                setHistory(view_history);
                const saved =
                  api?.call("PUT", "/v1/me/privacy", { body: { view_history } }).then(() => true) ??
                  Promise.resolve(null);
                if ((await attempt(saved)) === null) setHistory(!view_history);
                else say(t("saved"));
              }}
            />
          </label>
        )}
        {session.value?.development && (
          <a class="button" href="#/scenes">
            <Icon name="sparkles" /> {t("scenes")}
          </a>
        )}
        <button type="button" class="button" onClick={() => signOut()}>
          <Icon name="log-out" /> {t("signOut")}
        </button>
      </div>
    </section>
  );
}
