/** Bars with their numbers in words, and what they are made of. */
import type { Get } from "stories-client";
import { span } from "../text";

export type Insights = Get<"/v1/stories/{story_id}/insights">;

interface Bar {
  /** What stands below the bar, and what it is called in full. */
  label: string;
  name: string;
  value: number;
}

export function Bars({ title, bars }: { title: string; bars: readonly Bar[] }) {
  const most = Math.max(1, ...bars.map((each) => each.value));
  return (
    <figure class="bar-chart">
      <figcaption>{title}</figcaption>
      <ul>
        {bars.map(({ label, name, value }) => (
          <li key={name} title={`${name}: ${value}`}>
            <b>{value}</b>
            <span style={{ "--share": String(value / most) }} />
            <small aria-hidden="true">{label}</small>
            <span class="hidden-text">{name}</span>
          </li>
        ))}
      </ul>
    </figure>
  );
}

const STEPS = 6;
const MINUTE_MS = 60_000;

/** Viewers by the time since the story was posted, in equal steps until the last of them. */
export function overTime(posted: number, times: readonly string[], steps = STEPS): Bar[] {
  const after = times.map((time) => Math.max(0, Date.parse(time) - posted));
  if (after.length < 2) return [];
  const step = Math.max(MINUTE_MS / 4, Math.ceil((Math.max(...after) + 1) / steps / 15_000) * 15_000);
  const bars = Array.from({ length: Math.floor(Math.max(...after) / step) + 1 }, (_, at) => ({
    label: `+${span((at + 1) * step)}`,
    name: `${span(at * step)} – ${span((at + 1) * step)}`,
    value: after.filter((each) => Math.floor(each / step) === at).length,
  }));
  return bars.length > 1 ? bars : [];
}

export type Figure = [name: string, value: string | number];

/** Figures with their names. */
export function FigureList({ figures }: { figures: Figure[] }) {
  return (
    <dl>
      {figures.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
