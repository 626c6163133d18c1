/** Stories that an author shows again after their end, under a title. */
import { useEffect, useState } from "preact/hooks";
import type { Get } from "stories-client";
import { attempt, collect, say, session, succeeded } from "../state";
import { fields } from "../ui/forms";
import { Icon, Sheet } from "../ui/parts";
import { type Archived, ArchivePlayer, label } from "./ArchivePlayer";
import { t } from "./text";

type Highlight = Get<"/v1/users/{user_id}/highlights">["items"][number];

interface Props {
  user: string;
  own?: boolean;
  archived?: readonly Archived[];
  onCount?: (count: number) => void;
}

export function Highlights({ user, own = false, archived = [], onCount }: Props) {
  const { api } = session.value ?? {};
  const [found, setFound] = useState<Highlight[]>([]);
  const [shown, setShown] = useState<{ of: Highlight; items: Archived[] } | null>(null);
  const [editing, setEditing] = useState<Highlight | "new" | null>(null);
  const read = async () => {
    const all = await collect(api?.pages<Highlight>(`/v1/users/${encodeURIComponent(user)}/highlights`));
    setFound(all);
    onCount?.(all.length);
  };
  useEffect(() => {
    void read().catch(() => onCount?.(0)); // none where the archive is off, or the author hides them
  }, [api, user, archived.length]);
  const open = async (of: Highlight) => {
    const items = await attempt(collect(api?.pages<Archived>(`/v1/highlights/${of.id}`)));
    if (items) setShown({ of, items });
  };
  const done = (text: "saved" | "removed") => {
    setEditing(null);
    setShown(null);
    say(t(text));
    void attempt(read());
  };
  if (!found.length && !(own && archived.length)) return null;
  const editor = editing && <Editor of={editing} archived={archived} onDone={done} onClose={() => setEditing(null)} />;
  return (
    <section aria-labelledby="highlights">
      <h2 id="highlights">{t("highlights")}</h2>
      <ul class="highlights">
        {found.map((each) => (
          <li key={each.id}>
            <button type="button" onClick={() => void open(each)}>
              <span class="cover">
                <img src={each.cover_url} alt="" />
              </span>
              <span class="name">{each.title}</span>
            </button>
          </li>
        ))}
        {own && (
          <li>
            <button type="button" aria-label={t("create")} onClick={() => setEditing("new")}>
              <span class="cover add">
                <Icon name="plus" />
              </span>
              <span class="name">{t("add")}</span>
            </button>
          </li>
        )}
      </ul>
      {shown && (
        <ArchivePlayer
          title={shown.of.title}
          items={shown.items}
          onClose={() => setShown(null)}
          actions={() =>
            own && (
              <button type="button" class="button small" onClick={() => setEditing(shown.of)}>
                {t("edit")}
              </button>
            )
          }
        >
          {editor}
        </ArchivePlayer>
      )}
      {!shown && editor}
    </section>
  );
}

interface EditorProps {
  of: Highlight | "new";
  archived: readonly Archived[];
  onDone: (text: "saved" | "removed") => void;
  onClose: () => void;
}

function Editor({ of, archived, onDone, onClose }: EditorProps) {
  const { api } = session.value ?? {};
  const before = of === "new" ? null : of;
  const [chosen, setChosen] = useState<string[]>(before?.story_ids ?? []);
  const save = async (event: SubmitEvent) => {
    const title = fields(event)("title");
    if (!chosen.length) return say(t("chooseOne"));
    const body = { title, story_ids: chosen, cover_story_id: chosen[0] };
    const call = before
      ? api?.call("PATCH", `/v1/me/highlights/${before.id}`, { body })
      : api?.call("POST", "/v1/me/highlights", { body });
    if (await succeeded(call)) onDone("saved");
  };
  const remove = async () => {
    if (await succeeded(api?.call("DELETE", `/v1/me/highlights/${before?.id}`))) onDone("removed");
  };
  return (
    <Sheet title={t(before ? "edit" : "create")} onClose={onClose}>
      <form class="stack" onSubmit={save}>
        <label>
          <span>{t("title")}</span>
          <input name="title" required maxLength={50} defaultValue={before?.title ?? ""} autocomplete="off" />
        </label>
        <div role="group" aria-label={t("choose")}>
          <p class="note">{t("choose")}</p>
          <ul class="kept-stories small">
            {archived.map((item) => {
              const at = chosen.indexOf(item.id);
              return (
                <li key={item.id}>
                  <button
                    type="button"
                    class="story-card"
                    aria-label={label(item)}
                    aria-pressed={at >= 0}
                    onClick={() => setChosen(at < 0 ? [...chosen, item.id] : chosen.filter((id) => id !== item.id))}
                  >
                    <img src={item.poster_url} alt="" />
                    {at >= 0 && <span class="order" data-order={at + 1} />}
                  </button>
                </li>
              );
            })}
          </ul>
        </div>
        <div class="choices">
          {before && (
            <button type="button" class="button danger" onClick={() => void remove()}>
              {t("remove")}
            </button>
          )}
          <button type="submit" class="button primary">
            {t("save")}
          </button>
        </div>
      </form>
    </Sheet>
  );
}
