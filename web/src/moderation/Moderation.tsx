/** Reports and what is decided about them, for admins. A chunk of its own. */
import { useEffect, useState } from "preact/hooks";
import type { Get } from "stories-client";
import { attempt, say, session, succeeded } from "../state";
import { moment, span, texts } from "../text";
import { useAnswer } from "../ui/hooks";
import { Avatar, Empty, Icon } from "../ui/parts";
import "./moderation.css";
import { MODERATION } from "./text";

const t = texts(MODERATION);
type Report = Get<"/v1/admin/reports">["items"][number];
type Entry = Get<"/v1/admin/audit">["items"][number];
type Action = "keep" | "remove" | "remove_and_suspend";
type Shown = "open" | "decided" | "audit";

const SHOWN: Shown[] = ["open", "decided", "audit"];
const DAYS = [1, 7, 30, 365];

export function Moderation() {
  const { api } = session.value ?? {};
  const [shown, setShown] = useState<Shown>("open");
  const [found, setFound] = useState<{ shown: Shown; items: (Report | Entry)[]; next: string | null } | null>(null);
  const read = async (cursor: string | null = null) => {
    const path = shown === "audit" ? "/v1/admin/audit" : "/v1/admin/reports";
    const query = { limit: 20, cursor, ...(shown !== "audit" && { state: shown }) };
    const page = await attempt(
      api?.call<{ items: (Report | Entry)[]; next_cursor: string | null }>("GET", path, { query }),
    );
    if (page)
      setFound((before) => ({
        shown,
        items: cursor && before ? [...before.items, ...page.items] : page.items,
        next: page.next_cursor,
      }));
  };
  useEffect(() => void read(), [shown, api]);
  const here = found?.shown === shown ? found : null;
  return (
    <main class="moderation">
      <h1>{t("title")}</h1>
      <p class="note">{t("hint")}</p>
      <div class="tabs" role="group" aria-label={t("show")}>
        {SHOWN.map((each) => (
          <button key={each} type="button" aria-pressed={each === shown} onClick={() => setShown(each)}>
            {t(`show_${each}`)}
          </button>
        ))}
      </div>
      {!here && <div class="report skeleton" aria-busy="true" />}
      {here?.items.length === 0 && <Empty icon="shield" title={t(`nothing_${shown}`)} hint={t("emptyHint")} />}
      {here && here.items.length > 0 && shown === "audit" && <Audit entries={here.items as Entry[]} />}
      {here && shown !== "audit" && (
        <ul class="reports">
          {(here.items as Report[]).map((report) => (
            <ReportCard
              key={report.id}
              report={report}
              onDecided={() => {
                say(t("done"));
                void read();
              }}
            />
          ))}
        </ul>
      )}
      {here?.next && (
        <button type="button" class="button" onClick={() => void read(here.next)}>
          {t("more")}
        </button>
      )}
    </main>
  );
}

/** The words of a copy: a comment's text, a story's caption and what its layers say. */
function wordsOf(copy: Record<string, unknown> | null): string[] {
  if (!copy) return [];
  const layers = Array.isArray(copy.layers) ? (copy.layers as Record<string, unknown>[]) : [];
  const said = layers.flatMap((layer) =>
    ["text", "question", "prompt", "tag", "title", "url", "code"].map((name) => layer[name]),
  );
  const options = layers.flatMap((layer) => (Array.isArray(layer.options) ? (layer.options as unknown[]) : []));
  return [copy.text, copy.caption, copy.alt_text, ...said, ...options].filter(
    (each): each is string => typeof each === "string" && each !== "",
  );
}

function ReportCard({ report, onDecided }: { report: Report; onDecided: () => void }) {
  const { api } = session.value ?? {};
  const [days, setDays] = useState(7);
  const [busy, setBusy] = useState(false);
  // Null where it has ended.
  const item = useAnswer(() => (report.state === "open" ? api?.story(report.story_id) : undefined), [report.id]);
  const decide = async (action: Action) => {
    setBusy(true);
    const body = { action, ...(action === "remove_and_suspend" && { days }) };
    const done = await succeeded(api?.call("POST", `/v1/admin/reports/${report.id}/decision`, { body }));
    setBusy(false);
    if (done) onDecided();
  };
  const words = wordsOf(report.copy as Record<string, unknown> | null);
  const author = report.author_id ?? t("nobody");
  return (
    <li class="report panel">
      <a class="report-picture" href={item ? `#/s/${item.id}` : undefined} aria-label={item ? t("open") : undefined}>
        {item ? (
          <img src={item.poster_url} alt={item.alt_text ?? ""} />
        ) : (
          <Icon name={report.kind === "comment" ? "message-circle" : "image"} />
        )}
      </a>
      <div class="report-body">
        <p class="report-head">
          <span class="chip dark">{t(`kind_${report.kind}`)}</span>
          <Avatar user={author} size={28} />
          <b>{t("by", { name: author })}</b>
          <small>{t("ago", { time: span(Date.now() - Date.parse(report.reported_at)) })}</small>
        </p>
        <p>
          <b class="reason">{report.reason}</b> <small>{t("reports", { n: report.reports })}</small>
        </p>
        {report.text && (
          <p>
            <small>{t("said")}: </small>
            {report.text}
          </p>
        )}
        <h2>{t("copy")}</h2>
        {words.length ? (
          <blockquote>
            {words.map((each, at) => (
              <p key={at}>{each}</p>
            ))}
          </blockquote>
        ) : (
          <p class="note">{report.copy ? "–" : t("gone")}</p>
        )}
        {report.decision ? (
          <p class="decision">
            <Icon name={report.decision.action === "keep" ? "check" : "ban"} />
            <span>
              <b>{t(`decided_${report.decision.action}`)}</b>{" "}
              {report.decision.until && t("until", { time: moment(report.decision.until) })}
              <br />
              <small>
                {t("decidedBy", { name: report.decision.decided_by, time: moment(report.decision.decided_at) })}
              </small>
            </span>
          </p>
        ) : (
          <div class="decide">
            <button type="button" class="button" disabled={busy} onClick={() => void decide("keep")}>
              <Icon name="check" /> {t("keep")}
            </button>
            <button type="button" class="button danger" disabled={busy} onClick={() => void decide("remove")}>
              <Icon name="trash-2" /> {t("remove")}
            </button>
            <span class="suspend">
              <button
                type="button"
                class="button danger"
                disabled={busy}
                onClick={() => void decide("remove_and_suspend")}
              >
                <Icon name="ban" /> {t("suspend")}
              </button>
              <select
                aria-label={t("days")}
                value={String(days)}
                onChange={(event) => setDays(Number(event.currentTarget.value))}
              >
                {DAYS.map((each) => (
                  <option key={each} value={each}>
                    {t("day", { n: each })}
                  </option>
                ))}
              </select>
            </span>
          </div>
        )}
      </div>
    </li>
  );
}

function Audit({ entries }: { entries: Entry[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
    <div class="panel audit" tabIndex={0} role="group" aria-label={t("show_audit")}>
      <table>
        <thead>
          <tr>
            {(["time", "what", "decision", "who"] as const).map((each) => (
              <th key={each} scope="col">
                {t(each)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <tr key={entry.id}>
              <td>{moment(entry.decision.decided_at)}</td>
              <td>
                {t(`kind_${entry.kind}`)} {t("by", { name: entry.author_id ?? t("nobody") })}
              </td>
              <td>{t(`decided_${entry.decision.action}`)}</td>
              <td>{entry.decision.decided_by}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
