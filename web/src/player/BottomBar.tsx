/** Below a story: its caption, comments, reactions and sharing. */
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { lazyView } from "../lazyView";
import { captionsOn, session, succeeded } from "../state";
import { t } from "../text";
import { poll, reducedMotion } from "../ui/hooks";
import { EmojiButtons, Icon, IconButton } from "../ui/parts";
import type { Play } from "./session";
import { share } from "./share";

const Picker = lazyView(() => import("./Panels").then((chunk) => chunk.Picker), null);
const QUICK = ["❤️", "🔥", "😂", "😮", "😢", "👏"];
const COUNT_MS = 3000;

export type Panel = "comments" | "menu" | "activity";

export function BottomBar({ play, own, onPanel }: { play: Play; own: boolean; onPanel: (panel: Panel) => void }) {
  const item = play.item.value;
  const [mine, setMine] = useState<string | null>(null);
  const [counts, setCounts] = useState<{ comments: number; viewers: number } | null>(null);
  const [choosing, setChoosing] = useState<"few" | "all" | null>(null);
  const { api } = session.value ?? {};
  useEffect(() => {
    setMine(null);
    setCounts(null);
    setChoosing(null);
    if (!item || !api) return;
    let shown = true;
    api.reactions(item).then(
      (found) => shown && setMine(found.mine ?? null),
      () => undefined,
    );
    const count = () =>
      api.counts(item).then(
        (found) => shown && setCounts(found),
        () => undefined,
      );
    const stop = poll(count, COUNT_MS);
    return () => {
      shown = false;
      stop();
    };
  }, [item?.id]);
  useLayoutEffect(() => {
    if (choosing === null) return;
    play.dispatch({ type: "pause", reason: "sheet" });
    return () => play.dispatch({ type: "resume", reason: "sheet" });
  }, [choosing === null]);
  if (!item || !api) return <footer class="player-bottom" />;
  const react = async (emoji: string) => {
    const next = emoji === mine ? null : emoji;
    setChoosing(null);
    setMine(next);
    if (next) burst(next);
    if (!(await succeeded(api.react(item, next)))) setMine(mine);
  };
  return (
    <footer class="player-bottom">
      {play.cue.value && captionsOn.value && <p class="cue">{play.cue.value}</p>}
      {item.caption && <p class="caption-line">{item.caption}</p>}
      <div class="actions">
        {own && (
          <button type="button" class="activity" onClick={() => onPanel("activity")}>
            <Icon name="eye" />
            <b>{counts?.viewers ?? 0}</b> {t("viewers")}
          </button>
        )}
        {!own && item.can.comment ? (
          <button type="button" class="comment-field" onClick={() => onPanel("comments")}>
            <span>{t("addComment")}</span>
            {counts?.comments ? <b>{counts.comments}</b> : null}
          </button>
        ) : (
          <span class="spread" />
        )}
        {own && <IconButton icon="message-circle" label={t("comments")} onClick={() => onPanel("comments")} />}
        {!own && item.can.react && (
          <div class="react">
            {choosing === "few" && (
              <div class="quick" role="group" aria-label={t("react")}>
                <EmojiButtons of={QUICK} mine={mine} onPick={react} />
                <button type="button" aria-label={t("more")} onClick={() => setChoosing("all")}>
                  <Icon name="plus" />
                </button>
              </div>
            )}
            {choosing === "all" && <Picker mine={mine} onPick={react} onClose={() => setChoosing(null)} />}
            <button
              type="button"
              class="icon-button"
              aria-label={mine ? t("reacted", { emoji: mine }) : t("like")}
              aria-expanded={choosing === "few"}
              onClick={() => setChoosing(choosing === "few" ? null : "few")}
            >
              {mine ? <span class="mine-emoji">{mine}</span> : <Icon name="heart" />}
            </button>
          </div>
        )}
        {item.can.share && <IconButton icon="send" label={t("share")} onClick={() => void share(item)} />}
      </div>
    </footer>
  );
}

/** A reaction flies up. */
function burst(emoji: string): void {
  const stage = document.querySelector(".stage");
  if (!stage || reducedMotion()) return;
  for (let number = 0; number < 7; number++) {
    const each = document.createElement("span");
    each.className = "burst";
    each.textContent = emoji;
    each.style.left = `${55 + Math.random() * 36}%`;
    stage.append(each);
    const flight = each.animate(
      [
        { transform: "translateY(0) scale(.4)", opacity: 0 },
        { transform: "translateY(-60px) scale(1.1)", opacity: 1, offset: 0.25 },
        { transform: `translate(${Math.random() * 60 - 30}px, ${-220 - Math.random() * 160}px) scale(.9)`, opacity: 0 },
      ],
      { duration: 1100 + Math.random() * 700, delay: number * 60, easing: "cubic-bezier(.2,.7,.3,1)", fill: "both" },
    );
    flight.onfinish = () => each.remove();
  }
}
