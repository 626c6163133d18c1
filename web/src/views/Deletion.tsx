/** Deletion of one's own story: a question, then the receipt as it fills. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { type Receipt, StoriesError } from "stories-client";
import { refreshTray, session, succeeded } from "../state";
import { t } from "../text";
import { Confirm, Icon, Sheet } from "../ui/parts";

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
    if (!(await succeeded(session.value?.api.delete(question.id)))) return setPhase("ask");
    question.answer(true);
    if (question.live) setPhase("receipt");
    else asked.value = null;
    void refreshTray();
  };
  if (phase === "receipt") return <ReceiptSheet id={question.id} onClose={close} />;
  return (
    <Confirm
      title={t("deleteAsk")}
      hint={t("deleteHint")}
      action={t("delete")}
      busy={phase === "deleting"}
      onConfirm={() => void remove()}
      onClose={close}
    />
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
