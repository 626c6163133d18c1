import type { OwnStory } from "stories-client";
import { attempt, say, session } from "../state";
import { t } from "../text";
import { Sheet, TimeField } from "../ui/parts";

export function Reschedule({ story, onClose }: { story: OwnStory; onClose: (changed: boolean) => void }) {
  const save = async (event: SubmitEvent) => {
    event.preventDefault();
    const at = new Date(String(new FormData(event.currentTarget as HTMLFormElement).get("at")));
    const changed = session.value?.api.change(story.id, { publish_at: at.toISOString() });
    if (changed && (await attempt(changed))) {
      say(t("saved"));
      onClose(true);
    }
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
