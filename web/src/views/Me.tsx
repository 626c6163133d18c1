import { useEffect, useState } from "preact/hooks";
import type { Item, OwnStory } from "stories-client";
import { lazyView } from "../lazyView";
import { collect, config, following, session, tray } from "../state";
import { t } from "../text";
import { useAnswer } from "../ui/hooks";
import { Avatar, Empty, Icon } from "../ui/parts";
import { AddPerson } from "./AddPerson";
import { confirmDelete, ReceiptSheet } from "./Deletion";
import { Explanation } from "./Explanation";
import { OwnCard, over, type Panel } from "./OwnCard";
import { People } from "./People";
import { Reschedule } from "./Reschedule";
import { Settings } from "./Settings";
import { StoryCard } from "./StoryGrid";

const Activity = lazyView(() => import("./Activity").then((chunk) => chunk.Activity), null);
const Totals = lazyView(() => import("./Totals").then((chunk) => chunk.Totals), null);
const Archive = lazyView(() => import("../archive/Archive").then((chunk) => chunk.Archive));

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
  const [opened, setOpened] = useState<{ panel: Panel; story: OwnStory } | null>(null);
  const [adding, setAdding] = useState(false);
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
  const { panel, story: { id = "" } = {} } = opened ?? {};
  const close = () => setOpened(null);
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
              onOpen={(panel) => setOpened({ panel, story })}
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
      {panel === "activity" && <Activity id={id} layers={items[id]?.layers} onClose={close} />}
      {panel === "why" && <Explanation id={id} onClose={close} />}
      {panel === "reschedule" && opened && (
        <Reschedule
          story={opened.story}
          onClose={(changed) => {
            close();
            if (changed) void read();
          }}
        />
      )}
      {panel === "receipt" && <ReceiptSheet id={id} onClose={close} />}
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
