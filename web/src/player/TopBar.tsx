/** Above a story: its bars, whose it is, and the controls. */
import { useEffect, useRef } from "preact/hooks";
import type { Item } from "stories-client";
import { captionsOn, following, muted, setFollowing } from "../state";
import { span, t } from "../text";
import { useNow } from "../ui/hooks";
import { Avatar, Icon, IconButton } from "../ui/parts";
import { current, duration } from "./machine";
import { type Play, toggle } from "./session";

/** One bar for each part. The running one is animated by the browser, so that we draw nothing per frame. */
function Bars({ play }: { play: Play }) {
  const bar = useRef<HTMLElement>(null);
  const running = play.phase.value;
  const place = play.place.value;
  const parts = play.parts.value.split(" ").filter(Boolean);
  const at = play.state.peek().slide;
  useEffect(() => {
    const shown = current(play.state.peek());
    if (!shown || !bar.current) return;
    const done = play.progress();
    const animation = bar.current.animate([{ transform: `scaleX(${done})` }, { transform: "scaleX(1)" }], {
      duration: Math.max(1, duration(shown) * (1 - done)),
      fill: "both",
    });
    if (running !== "playing") animation.pause();
    return () => animation.cancel();
  }, [place, running, play.parts.value]);
  return (
    <div class="bars" aria-hidden="true">
      {parts.map((id, index) => (
        <span key={id} class={index < at ? "full" : ""}>
          <i ref={index === at ? bar : undefined} />
        </span>
      ))}
    </div>
  );
}

interface TopBarProps {
  play: Play;
  author: string;
  own: boolean;
  onMenu: () => void;
  onClose: () => void;
}

export function TopBar({ play, author, own, onMenu, onClose }: TopBarProps) {
  const item = play.item.value;
  const still = /user|end/.test(play.reasons.value);
  const total = play.parts.value.split(" ").filter(Boolean).length;
  return (
    <header class="player-top">
      <Bars play={play} />
      <div class="player-head">
        <Avatar user={author} size={36} />
        <div class="who">
          <span class="line">
            <b>{own ? t("yours") : <a href={`#/p/${encodeURIComponent(author)}`}>{author}</a>}</b>
            {item && <Ago item={item} />}
          </span>
          {item && <Countdown item={item} />}
        </div>
        {!own && item && !following.value.has(author) && (
          <button type="button" class="follow" onClick={() => void setFollowing(author, true)}>
            {t("follow")}
          </button>
        )}
        <span class="spread" />
        {item?.captions_track && (
          <IconButton
            icon="captions"
            label={t("captions")}
            pressed={captionsOn.value}
            onClick={() => {
              captionsOn.value = !captionsOn.value;
            }}
          />
        )}
        {item?.has_audio && (
          <IconButton
            icon={muted.value ? "volume-x" : "volume-2"}
            label={muted.value ? t("soundOn") : t("soundOff")}
            onClick={() => {
              muted.value = !muted.value;
            }}
          />
        )}
        <IconButton
          icon={still ? "play" : "pause"}
          filled
          label={still ? t("play") : t("pause")}
          onClick={() => toggle(play)}
        />
        <IconButton icon="ellipsis" label={t("more")} onClick={onMenu} />
        <IconButton icon="x" label={t("close")} onClick={onClose} />
      </div>
      <p class="hidden-text" aria-live="polite">
        {item && t("storyOf", { name: author, n: play.state.peek().slide + 1, total })}
      </p>
    </header>
  );
}

function Ago({ item }: { item: Item }) {
  return <span class="ago">{span(useNow(10_000) - Date.parse(item.posted_at))}</span>;
}

function Countdown({ item }: { item: Item }) {
  const left = Date.parse(item.expires_at) - useNow(1000);
  return (
    <span class={`left ${left < 60_000 ? "soon" : ""}`}>
      {item.audience === "close_friends" && <Icon name="star" filled />}
      {(item.audience === "friends" || item.audience === "followers") && <Icon name="users" />}
      {t("left", { time: span(left) })}
    </span>
  );
}
