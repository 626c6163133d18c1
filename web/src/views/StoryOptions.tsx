/** What an author chooses for a story: its caption, who sees it, for how long, from when. */
import type { StoryCreate } from "stories-client";
import { config } from "../state";
import { type Key, t } from "../text";
import { Select, TimeField } from "../ui/forms";

/** The choices as they were sent with the form. */
export function storyOptions(text: (name: string) => string): Partial<StoryCreate> {
  const hidden = text("hide_from")
    .split(/[\s,]+/)
    .filter(Boolean);
  return {
    audience: text("audience"),
    comments: text("comments"),
    lifetime: text("lifetime"),
    reactions: text("reactions") === "on",
    sharing: text("sharing") === "on",
    ...(text("caption") && { caption: text("caption") }),
    ...(text("alt_text") && { alt_text: text("alt_text") }),
    ...(hidden.length && { hide_from: hidden }),
  } as Partial<StoryCreate>;
}

interface Props {
  later: boolean;
  onLater: (later: boolean) => void;
}

export function StoryOptions({ later, onLater }: Props) {
  return (
    <>
      <label>
        <span>{t("caption")}</span>
        <textarea name="caption" rows={2} maxLength={2200} placeholder={t("write")} />
      </label>
      <div class="pair">
        <Select
          name="audience"
          label={t("audience")}
          options={(config.value?.audiences ?? ["everyone"]).map((each) => [each, t(each as Key)])}
        />
        <Select
          name="lifetime"
          label={t("lifetime")}
          options={(config.value?.lifetimes ?? ["24h"]).map((each) => [each, each])}
        />
      </div>
      <div class="pair">
        <Select
          label={t("when")}
          options={[
            ["now", t("whenNow")],
            ["later", t("whenLater")],
          ]}
          onChange={(when) => onLater(when === "later")}
        />
        {later && <TimeField />}
      </div>
      <details>
        <summary>{t("more")}</summary>
        <div class="stack">
          <Select
            name="comments"
            label={t("commentsFor")}
            options={["everyone", "friends", "nobody"].map((each) => [each, t(each as Key)])}
          />
          <label>
            <span>{t("altText")}</span>
            <input name="alt_text" maxLength={2200} />
          </label>
          <label>
            <span>{t("hideFrom")}</span>
            <input name="hide_from" placeholder="mallory, eve" autocapitalize="off" />
          </label>
          <label class="switch-row">
            <span>{t("react")}</span>
            <input type="checkbox" role="switch" name="reactions" defaultChecked />
          </label>
          <label class="switch-row">
            <span>{t("share")}</span>
            <input type="checkbox" role="switch" name="sharing" defaultChecked />
          </label>
        </div>
      </details>
    </>
  );
}
