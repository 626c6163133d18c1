/** What happened to one's own story: counts, charts, answers and viewers. A chunk of its own. */
import type { Item, Layer, Viewers } from "stories-client";
import { session } from "../state";
import { span, t as tr } from "../text";
import { useAnswer } from "../ui/hooks";
import { Avatar, Empty, Sheet } from "../ui/parts";
import { Answers } from "./Answers";
import "./activity.css";
import { Bars, type Figure, FigureList, type Insights, overTime } from "./Charts";
import { t } from "./text";

const READ_MS = 2000;

interface Props {
  id: string;
  layers?: readonly Layer[] | Item["layers"];
  onClose: () => void;
}

export function Activity({ id, layers = [], onClose }: Props) {
  const { api } = session.value ?? {};
  const viewers = useAnswer(() => api?.viewers(id), [id], READ_MS);
  const insights = useAnswer(() => api?.call<Insights>("GET", `/v1/stories/${id}/insights`), [id], READ_MS);
  return (
    <Sheet title={tr("viewers")} onClose={onClose}>
      {insights && <Figures insights={insights} viewers={viewers} />}
      {insights?.answers.map((each) => (
        <Answers key={each.layer_id} story={id} of={each} layer={layers.find(({ id }) => id === each.layer_id)} />
      ))}
      {viewers?.total === 0 && <Empty icon="eye" title={tr("viewersNone")} />}
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

function Figures({ insights, viewers }: { insights: Insights; viewers: Viewers | null }) {
  const { reach, plays, completion_rate, mean_watch_ms, comments, shares, reactions } = insights;
  const figures: Figure[] = [
    [t("reach"), reach.total],
    [t("views"), plays],
    [t("completion"), `${Math.round(completion_rate * 100)} %`],
    [t("watched"), span(mean_watch_ms)],
    [tr("comments"), comments],
    [t("shares"), shares],
  ];
  const times = viewers
    ? overTime(
        Date.parse(insights.posted_at),
        viewers.items.map((each) => each.viewed_at),
      )
    : [];
  return (
    <section class="figures" aria-label={t("insights")}>
      <FigureList figures={figures} />
      {reach.total > 0 && reach.followers !== null && (
        <figure class="split">
          <figcaption>
            <span>
              {t("followersReach")} <b>{reach.followers}</b>
            </span>
            <span>
              {t("othersReach")} <b>{reach.others ?? 0}</b>
            </span>
          </figcaption>
          <span style={{ "--share": `${(reach.followers / reach.total) * 100}%` }} />
        </figure>
      )}
      {times.length > 1 && <Bars title={t("overTime")} bars={times} />}
      {(insights.drop_off?.length ?? 0) > 1 && (
        <Bars
          title={t("dropOff")}
          bars={(insights.drop_off ?? []).map((each) => ({
            label: String(each.part),
            name: t("part", { n: each.part }),
            value: each.viewers ?? 0,
          }))}
        />
      )}
      {Object.keys(reactions ?? {}).length > 0 && (
        <p class="tally" role="group" aria-label={tr("react")}>
          {Object.entries(reactions ?? {}).map(([emoji, n]) => (
            <span key={emoji}>
              {emoji} <b>{n}</b>
            </span>
          ))}
        </p>
      )}
    </section>
  );
}
