/** What happened to one's own story: viewers, counts, insights, deletion and its receipt. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { type paths, type Receipt, StoriesError, type Viewers } from "stories-client";
import { attempt, refreshTray, session } from "../state";
import { span, t } from "../text";
import { Avatar, Empty, Icon, Sheet } from "../ui/parts";

type Insights = paths["/v1/stories/{story_id}/insights"]["get"]["responses"][200]["content"]["application/json"];

export function Activity({ id, onClose }: { id: string; onClose: () => void }) {
  const { api } = session.value ?? {};
  const [viewers, setViewers] = useState<Viewers | null>(null);
  const [insights, setInsights] = useState<Insights | null>(null);
  useEffect(() => {
    const read = () => {
      api?.viewers(id).then(setViewers, () => undefined);
      api?.call<Insights>("GET", `/v1/stories/${id}/insights`).then(setInsights, () => undefined);
    };
    read();
    const timer = setInterval(read, 2000);
    return () => clearInterval(timer);
  }, [id]);
  return (
    <Sheet title={t("viewers")} onClose={onClose}>
      {insights && <Figures insights={insights} />}
      {viewers?.total === 0 && <Empty icon="eye" title={t("viewersNone")} hint="" />}
      <ul class="people">
        {viewers?.items.map((each) => (
          <li key={each.viewer_id}>
            <Avatar user={each.viewer_id} size={40} />
            <span class="grow">
              <b>{each.viewer_id}</b>
              <small>{span(Date.now() - Date.parse(each.viewed_at))}</small>
            </span>
            {each.reaction && <span class="reaction">{each.reaction}</span>}
          </li>
        ))}
      </ul>
      {viewers && viewers.hidden > 0 && <p class="note">{t("hidden", { n: viewers.hidden })}</p>}
    </Sheet>
  );
}

function Figures({ insights }: { insights: Insights }) {
  const { reach, plays, completion_rate, mean_watch_ms, comments, shares } = insights;
  const figures: [string, string | number][] = [
    [t("reach"), reach.total],
    [t("views"), plays],
    [t("completion"), `${Math.round(completion_rate * 100)} %`],
    [t("watched"), span(mean_watch_ms)],
    [t("comments"), comments],
    [t("shares"), shares],
  ];
  const most = Math.max(1, ...(insights.drop_off ?? []).map((each) => each.viewers ?? 0));
  return (
    <section class="figures" aria-label={t("insights")}>
      <dl>
        {figures.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {(insights.drop_off?.length ?? 0) > 1 && (
        <div class="chart">
          {insights.drop_off?.map((each) => (
            <span
              key={each.part}
              style={{ "--share": `${((each.viewers ?? 0) / most) * 100}%` }}
              title={`${each.part}: ${each.viewers ?? "–"}`}
            />
          ))}
        </div>
      )}
    </section>
  );
}

// Deletion: a question, then the receipt as it fills

const asked = signal<{ id: string; live: boolean; answer: (deleted: boolean) => void } | null>(null);

/** Ask, delete, and show the receipt of what was live. Resolves once the story is deleted, or the question is closed. */
export function confirmDelete(id: string, live = true): Promise<boolean> {
  return new Promise((answer) => {
    asked.value = { id, live, answer };
  });
}

export function DeleteDialog() {
  const question = asked.value;
  const [phase, setPhase] = useState<"ask" | "deleting" | "receipt">("ask");
  useEffect(() => setPhase("ask"), [question]);
  if (!question) return null;
  const close = () => {
    question.answer(phase === "receipt");
    asked.value = null;
  };
  const remove = async () => {
    setPhase("deleting");
    const done = await attempt(session.value?.api.delete(question.id).then(() => true) ?? Promise.resolve(null));
    if (!done) return setPhase("ask");
    question.answer(true);
    if (question.live) setPhase("receipt");
    else asked.value = null;
    void refreshTray();
  };
  if (phase === "receipt") return <ReceiptSheet id={question.id} onClose={close} />;
  return (
    <Sheet title={t("deleteAsk")} onClose={close}>
      <p class="note">{t("deleteHint")}</p>
      <div class="choices">
        <button type="button" class="button" onClick={close}>
          {t("cancel")}
        </button>
        <button type="button" class="button danger" disabled={phase === "deleting"} onClick={() => void remove()}>
          {t("delete")}
        </button>
      </div>
    </Sheet>
  );
}

export function ReceiptSheet({ id, onClose }: { id: string; onClose: () => void }) {
  const [receipt, setReceipt] = useState<Receipt | null>(null);
  useEffect(() => {
    let open = true;
    const read = async () => {
      try {
        const found = await session.value?.api.receipt(id);
        if (!open || !found) return;
        setReceipt(found);
        if (found.complete) return;
      } catch (error) {
        if (!(error instanceof StoriesError)) throw error;
      }
      if (open) setTimeout(read, 250);
    };
    void read();
    return () => {
      open = false;
    };
  }, [id]);
  const stores = ["media", "feed", "engagement"] as const;
  const ended = receipt ? Date.parse(receipt.ended_at) : 0;
  return (
    <Sheet title={t("receipt")} onClose={onClose}>
      <p class="note">{t("receiptHint")}</p>
      <ul class="receipt">
        {stores.map((store) => {
          const at = receipt?.erased[store];
          return (
            <li key={store} class={at ? "done" : ""}>
              <span class="mark">{at ? <Icon name="check" /> : <span class="spinner small" />}</span>
              <span class="grow">{t(`store_${store}`)}</span>
              {at && (
                <small>
                  +
                  {new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 }).format(
                    (Date.parse(at) - ended) / 1000,
                  )}{" "}
                  s
                </small>
              )}
            </li>
          );
        })}
      </ul>
      {receipt?.complete && (
        <p class="complete">
          <Icon name="shield" /> {t("done")}
        </p>
      )}
    </Sheet>
  );
}
