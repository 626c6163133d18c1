/** What the player opens: the menu of a story, a report, and every reaction there is. A chunk of its own. */
import { useState } from "preact/hooks";
import type { Item } from "stories-client";
import { following, notified, say, session, setFollowing, setNotified, succeeded } from "../state";
import { t as tr } from "../text";
import { fields } from "../ui/forms";
import { EmojiButtons, Icon, Sheet } from "../ui/parts";
import { confirmDelete } from "../views/Deletion";
import { share } from "./share";
import { t } from "./text";

const REASONS = ["spam", "nudity", "hate", "violence", "rights", "other"] as const;
const EMOJI = {
  feelings: "😀 😂 🥹 😊 😍 🥰 😎 🤩 🥳 🤔 😏 😴 😮 😢 😭 😡 🤯 🥶 🫣 🤗 🙃 😬 🤤 😇",
  hands: "❤️ 🧡 💛 💚 💙 💜 🖤 💔 👍 👎 👏 🙌 🙏 💪 👋 🤝 ✌️ 🤞 👀 🫶",
  moments: "🔥 ✨ 🎉 🎂 🎁 🏆 ⚽ 🎧 🎸 📷 ✈️ 🏔️ 🌊 ☀️ 🌅 🌈 ❄️ 🌸 🐶 🐱 ☕ 🍕 🍷 💯",
} as const;

interface MenuProps {
  item: Item;
  own: boolean;
  onClose: () => void;
  onGone: () => void;
}

export function Menu({ item, own, onClose, onGone }: MenuProps) {
  const name = item.author_id;
  const [reporting, setReporting] = useState(false);
  const act = (call: () => Promise<unknown>) => () => {
    onClose();
    void call();
  };
  const edge = (list: "muted" | "blocked") =>
    act(async () => {
      if (!(await succeeded(session.value?.api.setEdge(list, name, true)))) return;
      say(tr(list, { name }));
      onGone();
    });
  const followed = following.value.has(name);
  if (reporting) return <Report item={item} onClose={onClose} />;
  return (
    <Sheet title={own ? tr("yours") : name} onClose={onClose}>
      <div class="menu">
        {item.can.share && (
          <button type="button" onClick={act(() => share(item))}>
            <Icon name="link" /> {tr("copyLink")}
          </button>
        )}
        {own ? (
          <button
            type="button"
            class="danger"
            onClick={async () => {
              const deleted = await confirmDelete(item.id);
              onClose();
              if (deleted) onGone();
            }}
          >
            <Icon name="trash-2" /> {tr("delete")}
          </button>
        ) : (
          <>
            <button type="button" onClick={act(() => setFollowing(name, !followed))}>
              <Icon name={followed ? "user" : "user-plus"} /> {followed ? tr("unfollow") : tr("follow")}
            </button>
            {followed && (
              <button type="button" onClick={act(() => setNotified(name, !notified.value.has(name)))}>
                <Icon name={notified.value.has(name) ? "bell-off" : "bell"} />{" "}
                {tr(notified.value.has(name) ? "notifyStop" : "notify")}
              </button>
            )}
            <button type="button" onClick={edge("muted")}>
              <Icon name="bell-off" /> {tr("mute", { name })}
            </button>
            <button type="button" onClick={() => setReporting(true)}>
              <Icon name="flag" /> {tr("report")}
            </button>
            <button type="button" class="danger" onClick={edge("blocked")}>
              <Icon name="ban" /> {tr("block", { name })}
            </button>
          </>
        )}
      </div>
    </Sheet>
  );
}

function Report({ item, onClose }: { item: Item; onClose: () => void }) {
  const send = async (event: SubmitEvent) => {
    const text = fields(event);
    if (!(await succeeded(session.value?.api.report(item, text("reason"), text("text") || null)))) return;
    say(tr("reported"));
    onClose();
  };
  return (
    <Sheet title={t("reportWhy")} onClose={onClose}>
      <form class="stack" onSubmit={send}>
        <div class="reasons">
          {REASONS.map((reason, at) => (
            <label key={reason} class="switch-row">
              <span>{t(`why_${reason}`)}</span>
              <input type="radio" name="reason" value={reason} required defaultChecked={at === 0} />
            </label>
          ))}
        </div>
        <label>
          <span>{t("reportMore")}</span>
          <textarea name="text" rows={2} maxLength={500} />
        </label>
        <p class="note">{t("reportHint")}</p>
        <button type="submit" class="button primary">
          {t("reportSend")}
        </button>
      </form>
    </Sheet>
  );
}

interface PickerProps {
  mine: string | null;
  onPick: (emoji: string) => void;
  onClose: () => void;
}

export function Picker({ mine, onPick, onClose }: PickerProps) {
  return (
    <Sheet title={tr("react")} onClose={onClose}>
      {(Object.keys(EMOJI) as (keyof typeof EMOJI)[]).map((group) => (
        <section key={group} class="emoji-group" aria-label={t(`group_${group}`)}>
          <h3>{t(`group_${group}`)}</h3>
          <div>
            <EmojiButtons of={EMOJI[group].split(" ")} mine={mine} onPick={onPick} />
          </div>
        </section>
      ))}
    </Sheet>
  );
}
