/** The services above the topics that they share, and events that travel between them. */
import type { Ref } from "preact";
import { language } from "../text";
import {
  behind,
  type Figures,
  figuresOf,
  type Lane,
  type Replica,
  SERVICES,
  type Service,
  STORES,
  type Told,
} from "./model";
import { SCENES, t } from "./text";

type Text = keyof (typeof SCENES)["en"];

const MOST_DOTS = 90;
const TRAVEL_MS = 1100;

/** The middle of a service's column, in per cent of the lane. */
const column = (service: Service) => 12.5 + 25 * SERVICES.indexOf(service);

const number = (value: number) => new Intl.NumberFormat(language.value, { notation: "compact" }).format(value);

interface Props {
  element: Ref<HTMLElement>;
  lanes: readonly Lane[];
  replicas: readonly Replica[];
  /** Events by topic. */
  counts: Record<string, number>;
}

export function EventDiagram({ element, lanes, replicas, counts }: Props) {
  return (
    <section class="board panel" ref={element} aria-label={t("title")}>
      <p class="legend" aria-hidden="true">
        <span>
          <i class="source" /> {t("publishes")}
        </span>
        <span>
          <i class="port" /> {t("consumes")}
        </span>
        <span>
          <i class="port full" /> {t("both")}
        </span>
      </p>
      <ul class="services">
        {SERVICES.map((service) => (
          <ServiceBox key={service} service={service} figures={figuresOf(service, replicas)} />
        ))}
      </ul>
      <ul class="lanes">
        {lanes.map((lane) => (
          <LaneRow
            key={lane.name}
            lane={lane}
            count={lane.topics.reduce((sum, topic) => sum + (counts[topic] ?? 0), 0)}
            behind={behind(lane, replicas)}
          />
        ))}
      </ul>
    </section>
  );
}

const SHOWN: Record<Service, string[]> = {
  ingest: ["outbox_pending", "media_jobs"],
  feed: ["live_stories", "live_connections"],
  engagement: ["views_total", "outbox_pending"],
  expiry: ["timers", "receipts"],
};

function ServiceBox({ service, figures }: { service: Service; figures: Figures }) {
  const { values, ready, replicas } = figures;
  const shown = SHOWN[service].map((name) => (name === "timers" && values.timers_overdue ? "timers_overdue" : name));
  const receipts = STORES.reduce((sum, store) => Math.max(sum, values[`receipts_open.${store}`] ?? 0), 0);
  return (
    <li class={`service ${service}`} data-service={service}>
      <h2>
        {service}
        <span
          class={`light ${ready && ready === replicas ? "on" : "off"}`}
          role="img"
          aria-label={t("ready", { n: ready, total: replicas })}
          title={t("ready", { n: ready, total: replicas })}
        />
      </h2>
      <p>{t(`role_${service}`)}</p>
      <dl>
        {shown.map((name) => (
          <div key={name}>
            <dt>{t(name as Text)}</dt>
            <dd>{number(name === "receipts" ? receipts : (values[name] ?? 0))}</dd>
          </div>
        ))}
      </dl>
    </li>
  );
}

function LaneRow({ lane, count, behind: late }: { lane: Lane; count: number; behind: number }) {
  const named = `lane_${lane.name}` in SCENES.en ? t(`lane_${lane.name}` as Text) : lane.name;
  const joined = (services: Service[]) => services.join(", ") || t("outside");
  const ends = [...lane.writers, ...lane.readers].map(column);
  const from = Math.min(...ends);
  const to = lane.readers.length ? Math.max(...ends) : 100;
  return (
    <li class="lane">
      <span class="lane-name" title={lane.topics.join(", ")}>
        <b class="clip">{named}</b>
        <small>
          {t("seen", { n: number(count) })}
          <span class={late ? "late" : "hidden-text"}>{late ? t("behind", { n: number(late) }) : t("upToDate")}</span>
        </small>
        <span class="hidden-text">
          {t("flow", { topic: named, writers: joined(lane.writers), readers: joined(lane.readers) })}
        </span>
      </span>
      <span class="track" data-lane={lane.name} aria-hidden="true">
        <i class="wire" style={{ insetInlineStart: `${from}%`, width: `${Math.max(0, to - from)}%` }} />
        {lane.readers.map((each) => (
          <i key={each} class={`port ${each}`} data-port={each} style={{ insetInlineStart: `${column(each)}%` }} />
        ))}
        {lane.writers.map((each) => (
          <i key={`from ${each}`} class={`source ${each}`} style={{ insetInlineStart: `${column(each)}%` }} />
        ))}
      </span>
    </li>
  );
}

/** A dot for each reader, from the service that published the event. Drawn by the browser alone. */
export function travel(board: HTMLElement | null, lanes: readonly Lane[], event: Told): void {
  const lane = lanes.find((each) => each.topics.includes(event.topic));
  const track = lane && board?.querySelector<HTMLElement>(`[data-lane="${lane.name}"]`);
  if (!board || !lane || !track || board.querySelectorAll(".dot").length > MOST_DOTS) return;
  const who = event.source ?? (lane.writers.length === 1 ? lane.writers[0] : undefined);
  const from = who ? column(who) : 0;
  const sign = document.dir === "rtl" ? -1 : 1;
  const beat = (service: string, delay: number) =>
    board
      .querySelector(`[data-service="${service}"]`)
      ?.animate([{}, { boxShadow: "0 0 0 3px var(--hue)", transform: "translateY(2px)", offset: 0.25 }, {}], {
        duration: 700,
        delay,
      });
  if (who) beat(who, 0);
  const readers: (Service | null)[] = lane.readers.length ? lane.readers : [null];
  for (const reader of readers) {
    const dot = document.createElement("i");
    dot.className = `dot ${who ?? "outside"} ${event.tombstone ? "hollow" : ""}`;
    const to = reader ? column(reader) : 104;
    const at = (place: number) => `translateX(${sign * place}%)`;
    const there = reader === who; // a service that consumes its own events: the dot hops
    track.append(dot);
    const flight = dot.animate(
      [
        { transform: `${at(from)} scaleY(1)`, opacity: 0 },
        { transform: `${at(from)} translateY(${there ? -9 : 0}px)`, opacity: 1, offset: 0.15 },
        { transform: at(to), opacity: 1, offset: 0.9 },
        { transform: at(to), opacity: 0 },
      ],
      { duration: TRAVEL_MS, easing: "cubic-bezier(.45,.05,.3,1)", fill: "both" },
    );
    if (reader) beat(reader, TRAVEL_MS * 0.85);
    track
      .querySelector(`[data-port="${reader}"]`)
      ?.animate([{}, { transform: "scale(1.9)", offset: 0.3 }, {}], { duration: 500, delay: TRAVEL_MS * 0.85 });
    flight.onfinish = () => dot.remove();
    flight.oncancel = () => dot.remove();
  }
}
