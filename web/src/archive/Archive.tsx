/** One's own stories after their end, where the installation keeps them. */
import { useEffect, useRef, useState } from "preact/hooks";
import { attempt, say, session, succeeded } from "../state";
import { Switch } from "../ui/forms";
import { useSetting } from "../ui/hooks";
import { Confirm, Empty } from "../ui/parts";
import { type Archived, ArchivePlayer, day, label } from "./ArchivePlayer";
import { Highlights } from "./Highlights";
import { t } from "./text";
import "./archive.css";

export function Archive() {
  const { api, user = "" } = session.value ?? {};
  const [enabled, keep] = useSetting("/v1/me/archive-settings", "enabled");
  const [items, setItems] = useState<Archived[]>([]);
  const [all, setAll] = useState(false);
  const [shown, setShown] = useState<number | null>(null);
  const [erasing, setErasing] = useState<Archived | null>(null);
  const pages = useRef<AsyncGenerator<Archived> | null>(null);

  const more = async (fresh = false) => {
    if (fresh || !pages.current) pages.current = api?.pages<Archived>("/v1/me/archive") ?? null;
    const found: Archived[] = [];
    while (found.length < 20) {
      const next = await pages.current?.next();
      if (!next || next.done) {
        setAll(true);
        break;
      }
      found.push(next.value);
    }
    setItems((before) => (fresh ? found : [...before, ...found]));
  };
  useEffect(() => {
    void more(true).catch(() => undefined); // what cannot be read is shown as empty, and asked again on the next visit
  }, [api]);

  const erase = async ({ id }: Archived) => {
    if (!(await succeeded(api?.call("DELETE", `/v1/me/archive/${id}`)))) return;
    setErasing(null);
    setShown(null);
    setItems((before) => before.filter((each) => each.id !== id));
    say(t("erased"));
  };
  if (enabled === null) return null;
  return (
    <>
      <Highlights user={user} own archived={items} />
      <section>
        <h2>{t("archive")}</h2>
        <div class="settings">
          <Switch
            label={
              <>
                {t("keep")}
                <small>{t("keepHint")}</small>
              </>
            }
            checked={enabled}
            onChange={keep}
          />
        </div>
        {items.length === 0 && (
          <Empty icon="clock" title={t("nothing")} hint={t(enabled ? "nothingOn" : "nothingOff")} />
        )}
        <ul class="kept-stories">
          {items.map((item, at) => (
            <li key={item.id}>
              <button type="button" class="story-card" aria-label={label(item)} onClick={() => setShown(at)}>
                <img src={item.poster_url} alt="" loading="lazy" />
                <span class="card-foot">{day(item.posted_at)}</span>
              </button>
            </li>
          ))}
        </ul>
        {!all && (
          <button type="button" class="button" onClick={() => void attempt(more())}>
            {t("more")}
          </button>
        )}
      </section>
      {shown !== null && (
        <ArchivePlayer
          title={t("archive")}
          items={items}
          start={shown}
          onClose={() => setShown(null)}
          actions={(item) => (
            <button type="button" class="button small" onClick={() => setErasing(item)}>
              {t("erase")}
            </button>
          )}
        >
          {erasing && (
            <Confirm
              title={t("eraseAsk")}
              hint={t("eraseHint")}
              action={t("erase")}
              onConfirm={() => void erase(erasing)}
              onClose={() => setErasing(null)}
            />
          )}
        </ArchivePlayer>
      )}
    </>
  );
}
