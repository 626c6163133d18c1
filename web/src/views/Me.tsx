import { useEffect, useState } from "preact/hooks";
import type { Item, OwnStory } from "stories-client";
import { later } from "../later";
import { collect, config, following, session, tray } from "../state";
import { t } from "../text";
import { useAnswer } from "../ui/hooks";
import { Avatar, Empty, Icon } from "../ui/parts";
import { AddPerson } from "./AddPerson";
import { confirmDelete, ReceiptSheet } from "./Deletion";
import { StoryCard } from "./Grid";
import { OwnCard, over } from "./OwnCard";
import { People } from "./People";
import { Reschedule } from "./Reschedule";
import { Settings } from "./Settings";
import { Why } from "./Why";

const Activity = later(() => import("./Activity").then((chunk) => chunk.Activity), null);
const Totals = later(() => import("./Totals").then((chunk) => chunk.Totals), null);
const Archive = later(() => import("../archive/Archive").then((chunk) => chunk.Archive));

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
    try {
      const found = await collect(api.mine());
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

const MENTIONS = 20;

/** Stories that mention the reader; nothing where there are none. */
function Mentions() {
  const { api } = session.value ?? {};
  const items = useAnswer(() => collect(api?.mentions(), MENTIONS), [api]); // null: a server without mentions
  if (!items?.length) return null;
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
