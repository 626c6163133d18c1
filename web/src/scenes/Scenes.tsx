/** Behind the scenes: events as they move between the services, and the life of one story. A chunk of its own. */
import { useEffect, useRef, useState } from "preact/hooks";
import { session } from "../state";
import { language, span, texts } from "../text";
import { Avatar, Empty, Icon, IconButton, Mark, reducedMotion, useNow } from "../ui/parts";
import {
  behind,
  type Figures,
  figuresOf,
  type Lane,
  type Life,
  lanesOf,
  lived,
  type Replica,
  SERVICES,
  type Service,
  STORES,
  type Step,
  storyOf,
  type Told,
  type Topics,
} from "./model";
import { perform } from "./perform";
import "./scenes.css";
import { SCENES } from "./text";

const t = texts(SCENES);
type Text = keyof (typeof SCENES)["en"];

const RETRY_MS = 2000;
const KEPT_STORIES = 24;
const KEPT_EVENTS = 60;
const MOST_DOTS = 90;
const TRAVEL_MS = 1100;

/** The middle of a service's column, in per cent of the lane. */
const column = (service: Service) => 12.5 + 25 * SERVICES.indexOf(service);

interface Seen {
  stories: Life[];
  events: Told[];
  counts: Record<string, number>;
}
const NOTHING: Seen = { stories: [], events: [], counts: {} };

function withEvents(before: Seen, events: readonly Told[]): Seen {
  const stories = new Map(before.stories.map((life) => [life.id, life]));
  const counts = { ...before.counts };
  for (const event of events) {
    counts[event.topic] = (counts[event.topic] ?? 0) + 1;
    const id = storyOf(event);
    const life = id && lived(stories.get(id), id, event);
    if (id && life) stories.set(id, life);
  }
  const latest = [...stories.values()].sort((one, other) => other.asked - one.asked).slice(0, KEPT_STORIES);
  return { stories: latest, events: [...events].reverse().concat(before.events).slice(0, KEPT_EVENTS), counts };
}

export function Scenes() {
  const [topics, setTopics] = useState<Topics>({});
  const [replicas, setReplicas] = useState<Replica[]>([]);
  const [seen, setSeen] = useState<Seen>(NOTHING);
  const [state, setState] = useState<"waiting" | "live" | "absent">("waiting");
  const [chosen, setChosen] = useState<string | null>(null);
  const [moving, setMoving] = useState(!reducedMotion());
  const [performing, setPerforming] = useState(false);
  const board = useRef<HTMLDivElement>(null);
  const still = useRef(false);
  still.current = !moving;
  const lanes = lanesOf(topics);
  const known = useRef(lanes);
  known.current = lanes;

  useEffect(() => {
    let source: EventSource;
    let timer = 0;
    const open = () => {
      source = new EventSource("/dev/events");
      const on = <T,>(name: string, act: (data: T) => void) =>
        source.addEventListener(name, (event) => act(JSON.parse((event as MessageEvent<string>).data) as T));
      on<Topics>("topics", setTopics);
      on<Replica[]>("figures", (data) => {
        setReplicas(data);
        setState("live");
      });
      on<Told[]>("earlier", (data) => setSeen(withEvents(NOTHING, data)));
      on<Told>("event", (event) => {
        setSeen((before) => withEvents(before, [event]));
        if (!still.current) travel(board.current, known.current, event);
      });
      source.onerror = () => {
        setState(source.readyState === EventSource.CLOSED ? "absent" : "waiting");
        if (source.readyState === EventSource.CLOSED) timer = window.setTimeout(open, RETRY_MS);
      };
    };
    open();
    return () => {
      clearTimeout(timer);
      source.close();
    };
  }, []);

  const life = seen.stories.find((each) => each.id === chosen) ?? seen.stories[0];
  return (
    <main class={`scenes ${session.value ? "" : "alone"}`}>
      <header class="scenes-head">
        {!session.value && (
          <a class="brand" href="#/" aria-label={t("app")}>
            <Mark />
          </a>
        )}
        <div class="grow">
          <h1>
            {t("title")}
            <span class={`state ${state}`} role="status">
              <i />
              {state === "live" ? t("connected") : t("waiting")}
            </span>
          </h1>
          <p class="note">{state === "absent" ? t("absent") : t("hint")}</p>
        </div>
        <IconButton
          icon={moving ? "pause" : "play"}
          filled
          label={moving ? t("pause") : t("play")}
          onClick={() => setMoving(!moving)}
        />
        <button
          type="button"
          class="button primary"
          disabled={performing || state !== "live"}
          onClick={async () => {
            setPerforming(true);
            await perform(t("demo"), setChosen);
            setPerforming(false);
          }}
        >
          <Icon name="send" />
          {performing ? t("performing") : t("perform")}
        </button>
      </header>

      <section class="board panel" ref={board} aria-label={t("title")}>
        <p class="legend" aria-hidden="true">
          <span>
            <i class="source" /> {t("says")}
          </span>
          <span>
            <i class="port" /> {t("hears")}
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
              count={lane.topics.reduce((sum, topic) => sum + (seen.counts[topic] ?? 0), 0)}
              behind={behind(lane, replicas)}
            />
          ))}
        </ul>
      </section>

      <div class="below">
        <section class="panel" aria-labelledby="scenes-stories">
          <h2 id="scenes-stories">{t("stories")}</h2>
          {!seen.stories.length && <Empty icon="sparkles" title={t("storiesNone")} hint="" />}
          <ul class="lives">
            {seen.stories.map((each) => (
              <li key={each.id}>
                <button type="button" aria-pressed={each.id === life?.id} onClick={() => setChosen(each.id)}>
                  <Avatar user={each.author || "?"} size={36} />
                  <span class="grow">
                    <b class="clip">{each.author}</b>
                    <small class="clip">…{each.id.slice(-12)}</small>
                  </span>
                  <Phase life={each} />
                </button>
              </li>
            ))}
          </ul>
        </section>
        <section class="panel life" aria-labelledby="scenes-life">
          <h2 id="scenes-life">{t("life")}</h2>
          {life ? <LifeView life={life} /> : <p class="note">{t("lifeNone")}</p>}
        </section>
        <section class="panel log" aria-labelledby="scenes-log">
          <h2 id="scenes-log">{t("log")}</h2>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard */}
          <div class="log-scroll" tabIndex={0} role="group" aria-label={t("log")}>
            <table>
              <thead>
                <tr>
                  {(["time", "topic", "from", "key"] as const).map((each) => (
                    <th key={each} scope="col">
                      {t(each)}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {seen.events.map((event) => (
                  <tr key={`${event.topic} ${event.offset}`}>
                    <td>{clock(event.at)}</td>
                    <td>
                      {event.topic}
                      {event.tombstone && <em> {t("tombstone")}</em>}
                    </td>
                    <td>{event.source && <span class={`tag ${event.source}`}>{event.source}</span>}</td>
                    <td>{short(event.key)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      </div>
    </main>
  );
}

const short = (key: string | null) => (key && key.length > 16 ? `…${key.slice(-12)}` : (key ?? "–"));
const clock = (at: number) =>
  new Intl.DateTimeFormat(language.value, {
    hourCycle: "h23",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
  }).format(at);
const number = (value: number) => new Intl.NumberFormat(language.value, { notation: "compact" }).format(value);

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

/** A dot for each reader, from who said it. Drawn by the browser alone. */
function travel(board: HTMLElement | null, lanes: readonly Lane[], event: Told): void {
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
    const there = reader === who; // a service that hears itself: the dot hops
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

function Phase({ life }: { life: Life }) {
  const state = life.complete ? "gone" : life.ended ? "erasing" : "live";
  return <span class={`phase ${state}`}>{t(`state_${state}`)}</span>;
}

function LifeView({ life }: { life: Life }) {
  const now = useNow(250);
  const begun = life.live ?? life.asked;
  const over = life.ended ?? life.expires ?? begun;
  const share = life.ended ? 1 : Math.min(1, Math.max(0, (now - begun) / Math.max(1, over - begun)));
  const { asked, ended } = life;
  const stamp = ({ kind, at }: Step) =>
    kind === "asked" || kind === "ended" ? clock(at) : `+${since(at - (ended && at >= ended ? ended : asked))}`;
  return (
    <>
      <p class="life-head">
        <Avatar user={life.author || "?"} size={44} />
        <span class="grow">
          <b>{t("of", { name: life.author })}</b>
          <small class="clip">{life.id}</small>
        </span>
        <Phase life={life} />
      </p>
      <div class="life-bar">
        <i style={{ transform: `scaleX(${share})` }} class={life.ended ? "over" : ""} />
      </div>
      <p class="life-time note">{!life.ended && life.expires ? t("endsIn", { time: span(life.expires - now) }) : ""}</p>
      <ol class="steps">
        {life.steps.map((step) => (
          <li key={`${step.kind} ${step.who} ${step.at}`} class={`${step.kind} ${step.service ?? ""}`}>
            <span class="grow">{said(step)}</span>
            {step.service && <span class={`tag ${step.service}`}>{step.service}</span>}
            <small title={ended && step.at > ended ? t("afterEnd") : undefined}>{stamp(step)}</small>
          </li>
        ))}
      </ol>
    </>
  );
}

const said = (step: Step) => t(`step_${step.kind}`, { who: step.who, emoji: step.emoji ?? "" });

/** Under a minute with hundredths, for that is where it happens. */
function since(ms: number): string {
  if (ms >= 60_000) return span(ms);
  return new Intl.NumberFormat(language.value, {
    style: "unit",
    unit: "second",
    unitDisplay: "narrow",
    minimumFractionDigits: 2,
    maximumFractionDigits: 2,
  }).format(Math.max(0, ms) / 1000);
}
