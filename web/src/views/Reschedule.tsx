import type { OwnStory } from "stories-client";
import { say, session, succeeded } from "../state";
import { t } from "../text";
import { fields, TimeField } from "../ui/forms";
import { Sheet } from "../ui/parts";

export function Reschedule({ story, onClose }: { story: OwnStory; onClose: (changed: boolean) => void }) {
  const save = async (event: SubmitEvent) => {
    const publish_at = new Date(fields(event)("at")).toISOString();
    if (!(await succeeded(session.value?.api.change(story.id, { publish_at })))) return;
    say(t("saved"));
    onClose(true);
  };
  return (
    <Sheet title={t("reschedule")} onClose={() => onClose(false)}>
      <form class="stack" onSubmit={save}>
        <TimeField from={Date.parse(story.publish_at ?? "")} />
        <button type="submit" class="button primary">
          {t("apply")}
        </button>
      </form>
    </Sheet>
  );
}
