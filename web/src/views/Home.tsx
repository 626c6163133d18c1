/** The tray, and For You below it. */
import { useState } from "preact/hooks";
import type { Item, Ring } from "stories-client";
import { refreshTray, session, tray, trayError } from "../state";
import { t } from "../text";
import { Icon, RingAvatar } from "../ui/parts";
import { AddPerson } from "./AddPerson";
import { StoryGrid } from "./StoryGrid";

export function Home({ known, onKnown }: { known: Item[] | null; onKnown: (items: Item[]) => void }) {
  const [adding, setAdding] = useState(false);
  return (
    <main class="home">
      <h1 class="hidden-text">{t("stories")}</h1>
      <Tray onAdd={() => setAdding(true)} />
      <section aria-labelledby="for-you">
        <h2 id="for-you">{t("forYou")}</h2>
        <StoryGrid path="for-you" known={known} onKnown={onKnown} />
      </section>
      {adding && <AddPerson onClose={() => setAdding(false)} />}
    </main>
  );
}

function Tray({ onAdd }: { onAdd: () => void }) {
  const found = tray.value;
  const user = session.value?.user ?? "";
  const failed = trayError.value && (
    <p class="banner" role="status">
      <span class="spinner small" />
      <span class="grow">{t("offline")}</span>
      <button type="button" class="quiet" onClick={() => void refreshTray()}>
        {t("retry")}
      </button>
    </p>
  );
  if (!found) {
    if (failed) return failed;
    return (
      <div class="tray" aria-busy="true">
        {[0, 1, 2, 3, 4, 5].map((each) => (
          <span key={each} class="tray-item skeleton">
            <span class="ring" />
            <span class="line" />
          </span>
        ))}
      </div>
    );
  }
  return (
    <section class="tray-section" aria-label={t("trayLabel")}>
      {failed}
      <ul class="tray">
        <li class="tray-item own">
          <a href={found.mine ? `#/u/${encodeURIComponent(user)}` : "#/new"}>
            <RingAvatar user={user} ring={found.mine ? found.mine.ring : "none"} size={66} />
            <span class="name">{t("yours")}</span>
          </a>
          <a class="plus" href="#/new" aria-label={t("create")}>
            <Icon name="plus" />
          </a>
        </li>
        {found.items.map((ring: Ring) => (
          <li key={ring.author_id} class="tray-item">
            <a
              href={`#/u/${encodeURIComponent(ring.author_id)}`}
              aria-label={`${t("author", { name: ring.author_id })}, ${ring.ring === "unseen" ? t("unseen") : t("seen")}`}
            >
              <RingAvatar user={ring.author_id} ring={ring.ring} size={66} />
              <span class="name">{ring.author_id}</span>
            </a>
          </li>
        ))}
        <li class="tray-item">
          <button type="button" onClick={onAdd}>
            <span class="ring add">
              <Icon name="user-plus" />
            </span>
            <span class="name">{t("add")}</span>
          </button>
        </li>
      </ul>
    </section>
  );
}
