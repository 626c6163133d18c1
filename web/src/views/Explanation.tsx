import { useState } from "preact/hooks";
import type { Get } from "stories-client";
import { attempt, session } from "../state";
import { t } from "../text";
import { fields } from "../ui/forms";
import { Icon, Sheet } from "../ui/parts";

type Explanation = Get<"/v1/stories/{story_id}/explain">;

/** Whether one person sees a story, by every rule. */
export function Explanation({ id, onClose }: { id: string; onClose: () => void }) {
  const [found, setFound] = useState<{ name: string; of: Explanation } | null>(null);
  const ask = async (event: SubmitEvent) => {
    const name = fields(event)("viewer");
    if (!name) return;
    const query = { viewer: name };
    const of = await attempt(session.value?.api.call<Explanation>("GET", `/v1/stories/${id}/explain`, { query }));
    if (of) setFound({ name, of });
  };
  return (
    <Sheet title={t("whyTitle")} onClose={onClose}>
      <form class="write-row" onSubmit={ask}>
        <input
          name="viewer"
          required
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          placeholder={t("whyHint")}
          aria-label={t("whyHint")}
        />
        <button type="submit" class="button primary">
          {t("whyCheck")}
        </button>
      </form>
      <div role="status" class="stack">
        {found && <p class="verdict">{t(found.of.visible ? "whyYes" : "whyNo", { name: found.name })}</p>}
        <ul class="rules">
          {found?.of.rules.map(({ rule, passed, detail }) => (
            <li key={rule} class={passed ? "" : "no"}>
              <Icon name={passed ? "check" : "x"} />
              <span>
                <b>{t(`rule_${rule}`)}</b>
                <br />
                <small>{detail}</small>
              </span>
            </li>
          ))}
        </ul>
      </div>
    </Sheet>
  );
}
