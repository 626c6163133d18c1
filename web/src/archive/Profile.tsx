/** One person: their story now, whether one follows them, and their highlights. */
import { useState } from "preact/hooks";
import { following, session, setFollowing } from "../state";
import { t as tr } from "../text";
import { useAnswer } from "../ui/hooks";
import { Empty, RingAvatar } from "../ui/parts";
import { Highlights } from "./Highlights";
import { t } from "./text";
import "./archive.css";

export function Profile({ name }: { name: string }) {
  const { api, user } = session.value ?? {};
  const [count, setCount] = useState<number | null>(null);
  const found = useAnswer(
    () => api?.call<{ rings: Record<string, string> }>("GET", "/v1/rings", { query: { user_ids: name } }),
    [api, name],
  );
  const ring = found?.rings[name] ?? "none";
  const follows = following.value.has(name);
  return (
    <main class="me">
      <header class="profile">
        <RingAvatar user={name} ring={ring} size={88} />
        <div class="grow">
          <h1>{name}</h1>
          {ring !== "none" && <a href={`#/u/${encodeURIComponent(name)}`}>{t("watch")}</a>}
        </div>
        {name !== user && (
          <button
            type="button"
            class={follows ? "button" : "button primary"}
            onClick={() => void setFollowing(name, !follows)}
          >
            {tr(follows ? "unfollow" : "follow")}
          </button>
        )}
      </header>
      <Highlights user={name} onCount={setCount} />
      {count === 0 && <Empty icon="sparkles" title={t("noHighlights")} hint={t("noHighlightsHint", { name })} />}
    </main>
  );
}
