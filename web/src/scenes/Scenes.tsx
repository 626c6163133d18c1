/** Behind the scenes: events as they move between the services, and the life of one story. A chunk of its own. */
import { useEffect, useRef, useState } from "preact/hooks";
import { session } from "../state";
import { reducedMotion } from "../ui/hooks";
import { Avatar, Empty, Icon, IconButton, Mark } from "../ui/parts";
import { playDemoStory } from "./demoStory";
import { EventDiagram, travel } from "./EventDiagram";
import { EventLog } from "./EventLog";
import { LifeView, Phase } from "./LifeView";
import { type Life, lanesOf, lived, type Replica, storyOf, type Told, type Topics } from "./model";
import "./scenes.css";
import { t } from "./text";

const RETRY_MS = 2000;
const KEPT_STORIES = 24;
const KEPT_EVENTS = 60;

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
  const board = useRef<HTMLElement>(null);
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
            await playDemoStory(t("demo"), setChosen);
            setPerforming(false);
          }}
        >
          <Icon name="send" />
          {performing ? t("performing") : t("perform")}
        </button>
      </header>

      <EventDiagram element={board} lanes={lanes} replicas={replicas} counts={seen.counts} />

      <div class="below">
        <section class="panel" aria-labelledby="scenes-stories">
          <h2 id="scenes-stories">{t("stories")}</h2>
          {!seen.stories.length && <Empty icon="sparkles" title={t("storiesNone")} />}
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
        <EventLog events={seen.events} />
      </div>
    </main>
  );
}
