/** Cards of stories, from For You or under a hashtag. */
import { useEffect, useRef, useState } from "preact/hooks";
import { type Item, StoriesError } from "stories-client";
import { explain, listed, session, tray } from "../state";
import { span, t } from "../text";
import { useNow } from "../ui/hooks";
import { Avatar, Empty, Icon } from "../ui/parts";

/** Cards of stories that loads on as one scrolls. */
export function StoryGrid({
  path,
  known,
  onKnown,
}: {
  path: "for-you" | { tag: string };
  known?: Item[] | null;
  onKnown?: (items: Item[]) => void;
}) {
  const { api } = session.value ?? {};
  const [items, setItems] = useState<Item[] | null>(known ?? null);
  const [all, setAll] = useState(false);
  const [failed, setFailed] = useState<string | null>(null);
  const pages = useRef<AsyncGenerator<Item> | null>(null);
  const end = useRef<HTMLDivElement>(null);
  const reading = useRef(false);
  const kind = typeof path === "string" ? path : path.tag;

  const more = async (fresh = false) => {
    if (!api || (reading.current && !fresh)) return;
    reading.current = true;
    if (fresh) pages.current = null;
    pages.current ??= path === "for-you" ? api.forYou() : api.hashtag(kind);
    const source = pages.current;
    const found: Item[] = [];
    let over = false;
    let problem: string | null = null;
    try {
      while (found.length < 20 && !over) {
        const { value, done } = await source.next();
        if (value) found.push(value);
        over = done === true;
      }
    } catch (error) {
      over = true;
      problem = error instanceof StoriesError && error.status === 404 ? null : explain(error);
    }
    if (source !== pages.current) return; // it is being read anew, from the beginning
    setFailed(problem);
    setAll(over);
    setItems((before) => {
      const next = fresh
        ? found
        : [...(before ?? []), ...found.filter((each) => !before?.some((other) => other.id === each.id))];
      onKnown?.(next);
      return next;
    });
    reading.current = false;
  };
  useEffect(() => {
    void more(true);
  }, [kind, api, tray.value?.mine?.latest_at, tray.value?.items.length]);
  useEffect(() => {
    const seen = new IntersectionObserver(([entry]) => entry?.isIntersecting && !all && items && void more(), {
      rootMargin: "400px",
    });
    if (end.current) seen.observe(end.current);
    return () => seen.disconnect();
  }, [all, items]);

  const now = useNow(1000);
  if (!items) {
    return (
      <div class="grid" aria-busy="true">
        {[0, 1, 2, 3, 4, 5].map((each) => (
          <span key={each} class="story-card skeleton" />
        ))}
      </div>
    );
  }
  const again = failed && (
    <p class="banner" role="status">
      <span class="grow">{failed}</span>
      <button type="button" class="quiet" onClick={() => void more(true)}>
        {t("retry")}
      </button>
    </p>
  );
  if (!items.length && again) return again;
  if (!items.length) {
    return (
      <Empty icon="sparkles" title={t("empty")} hint={t("emptyHint")}>
        <a class="button primary" href="#/new">
          {t("create")}
        </a>
      </Empty>
    );
  }
  return (
    <>
      <ul class="grid">
        {items
          .filter((item) => Date.parse(item.expires_at) > now)
          .map((item) => (
            <li key={item.id}>
              <StoryCard item={item} among={items} />
            </li>
          ))}
      </ul>
      {again}
      <div ref={end} />
    </>
  );
}

export function StoryCard({ item, among }: { item: Item; among: readonly Item[] }) {
  const choose = () => {
    listed.value = among;
  };
  return (
    <a
      class="story-card"
      href={`#/s/${item.id}`}
      onClick={choose}
      style={{ backgroundColor: item.preview?.color ?? "" }}
    >
      <img src={item.poster_url} alt="" loading="lazy" />
      <span class="chips">
        <span class="chip">{item.label || t("label")}</span>
        {item.kind === "video" && (
          <span class="chip dark">
            <Icon name="play" filled /> {span(item.duration_ms ?? 0)}
          </span>
        )}
      </span>
      <span class="card-foot">
        {item.caption && <span class="card-caption">{item.caption}</span>}
        <span class="card-who">
          <Avatar user={item.author_id} size={28} />
          <b>{item.author_id}</b>
          <small>{span(Date.now() - Date.parse(item.posted_at))}</small>
        </span>
      </span>
    </a>
  );
}
