/** One of one's own stories: how it is, who saw it, and what can be done with it. */
import type { Item, OwnStory } from "stories-client";
import { session } from "../state";
import { type Key, moment, span, t } from "../text";
import { useAnswer, useNow } from "../ui/hooks";
import { Icon, IconButton } from "../ui/parts";

const COUNT_MS = 5000;

export const over = ({ state, expires_at }: OwnStory) => state === "live" && Date.parse(expires_at ?? "") <= Date.now();

interface CardProps {
  story: OwnStory;
  item?: Item;
  onActivity: () => void;
  onWhy: () => void;
  onMove: () => void;
  onReceipt: () => void;
  onDelete: () => void;
}

export function OwnCard({ story, item, onActivity, onWhy, onMove, onReceipt, onDelete }: CardProps) {
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
