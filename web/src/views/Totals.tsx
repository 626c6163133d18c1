/** Figures of all of one's stories over time. */
import type { Get } from "stories-client";
import { session, tray } from "../state";
import { language, moment, span, t as tr } from "../text";
import { useAnswer } from "../ui/hooks";
import "./activity.css";
import { Bars, type Figure, FigureList } from "./Charts";
import { t } from "./text";

type Page = Get<"/v1/me/insights">;

const SHOWN = 7;
const READ_MS = 5000;

/** Nothing where nothing was posted. */
export function Totals() {
  const { api } = session.value ?? {};
  const page = useAnswer(
    () => api?.call<Page>("GET", "/v1/me/insights", { query: { limit: SHOWN } }),
    [api, tray.value?.mine?.latest_at, tray.value?.mine?.stories],
    READ_MS,
  );
  if (!page?.totals.stories) return null;
  const { totals, items } = page;
  const day = new Intl.DateTimeFormat(language.value, { day: "numeric", month: "numeric" });
  const figures: Figure[] = [
    [tr("stories"), totals.stories],
    [t("reach"), totals.reach],
    [t("views"), totals.plays],
    [t("completion"), `${Math.round(totals.completion_rate * 100)} %`],
    [t("watched"), span(totals.mean_watch_ms)],
    [tr("react"), totals.reactions],
  ];
  return (
    <section>
      <h2>{t("insights")}</h2>
      <div class="panel insights figures">
        <FigureList figures={figures} />
        {items.length > 1 && (
          <>
            <Bars
              title={t("reachByStory")}
              bars={[...items].reverse().map((each) => ({
                label: day.format(Date.parse(each.posted_at)),
                name: moment(each.posted_at),
                value: each.reach.total,
              }))}
            />
            <p class="note">{t("insightsHint", { n: items.length })}</p>
          </>
        )}
      </div>
    </section>
  );
}
