/** One of one's own stories: how it is, who saw it, and what can be done with it. */
import type { Item, OwnStory } from "stories-client";
import { session } from "../state";
import { type Key, moment, span, t } from "../text";
import { useAnswer, useNow } from "../ui/hooks";
import { Icon, IconButton } from "../ui/parts";

const COUNT_MS = 5000;

export const over = ({ state, expires_at }: OwnStory) => state === "live" && Date.parse(expires_at ?? "") <= Date.now();

/** What one opens from a card. */
export type Panel = "activity" | "why" | "reschedule" | "receipt";

interface Props {
  story: OwnStory;
  item?: Item;
  onOpen: (panel: Panel) => void;
  onDelete: () => void;
}

export function OwnCard({ story, item, onOpen, onDelete }: Props) {
  useNow(1000);
  const counts = useAnswer(() => item && session.value?.api.counts(item), [item?.id], COUNT_MS);
  const reason = story.state === "refused" && story.reason ? t(`reason_${story.reason}` as Key) : null;
  if (over(story)) {
    return (
      <li class="own-card">
        <span class="own-poster">
          <Icon name="shield" />
        </span>
        <div class="own-text">
          <b>{t("ended")}</b>
          <button type="button" class="button small" onClick={() => onOpen("receipt")}>
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
          <button type="button" class="quiet" onClick={() => onOpen("activity")} disabled={!item}>
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
              <IconButton icon="clock" class="small" label={t("reschedule")} onClick={() => onOpen("reschedule")} />
            )}
            {item && <IconButton icon="users" class="small" label={t("whyTitle")} onClick={() => onOpen("why")} />}
            <IconButton icon="trash-2" class="small" label={t("delete")} onClick={onDelete} />
          </span>
        </div>
      </div>
    </li>
  );
}
