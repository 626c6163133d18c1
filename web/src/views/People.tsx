/** The people of one's graph: those one follows, close friends, and those that are muted or blocked. */
import { useEffect, useState } from "preact/hooks";
import { collect, following, notified, say, session, setFollowing, setNotified, succeeded } from "../state";
import { t } from "../text";
import { Avatar, Icon, IconButton } from "../ui/parts";

const LISTS = ["close-friends", "muted", "blocked"] as const;
type List = (typeof LISTS)[number];

export function People({ onAdd }: { onAdd: () => void }) {
  const { api } = session.value ?? {};
  const [lists, setLists] = useState<Record<List, string[]>>({ "close-friends": [], muted: [], blocked: [] });
  useEffect(() => {
    for (const list of LISTS) {
      collect(api?.edges(list)).then(
        (edges) => setLists((before) => ({ ...before, [list]: edges.map((edge) => edge.user_id) })),
        () => undefined, // the list is left out then
      );
    }
  }, [api]);
  const set = async (list: List, name: string, on: boolean) => {
    if (!(await succeeded(api?.setEdge(list, name, on)))) return;
    setLists((before) => ({
      ...before,
      [list]: [...before[list].filter((each) => each !== name), ...(on ? [name] : [])],
    }));
    say(t("saved"));
  };
  const hidden = (["muted", "blocked"] as const).flatMap((list) => lists[list].map((name) => ({ list, name })));
  return (
    <section>
      <h2>{t("people")}</h2>
      {following.value.size === 0 && <p class="note">{t("noFollowing")}</p>}
      <ul class="people cards">
        {[...following.value].map((name) => (
          <li key={name}>
            <Avatar user={name} size={40} />
            <a class="grow clip" href={`#/p/${encodeURIComponent(name)}`}>
              <b>{name}</b>
            </a>
            <IconButton
              icon="star"
              filled={lists["close-friends"].includes(name)}
              class="small"
              pressed={lists["close-friends"].includes(name)}
              label={`${name}: ${t("close_friends")}`}
              onClick={() => void set("close-friends", name, !lists["close-friends"].includes(name))}
            />
            <IconButton
              icon={notified.value.has(name) ? "bell" : "bell-off"}
              filled={notified.value.has(name)}
              class="small"
              pressed={notified.value.has(name)}
              label={`${name}: ${t("notify")}`}
              onClick={() => void setNotified(name, !notified.value.has(name))}
            />
            <button type="button" class="button small" onClick={() => void setFollowing(name, false)}>
              {t("unfollow")}
            </button>
          </li>
        ))}
      </ul>
      <button type="button" class="button" onClick={onAdd}>
        <Icon name="user-plus" /> {t("followPeople")}
      </button>
      {hidden.length > 0 && (
        <details>
          <summary>{t("hiddenPeople", { n: hidden.length })}</summary>
          <ul class="people cards">
            {hidden.map(({ list, name }) => (
              <li key={list + name}>
                <Avatar user={name} size={40} />
                <b class="grow clip">{name}</b>
                <button type="button" class="button small" onClick={() => void set(list, name, false)}>
                  {t(list === "muted" ? "unmute" : "unblock")}
                </button>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}
