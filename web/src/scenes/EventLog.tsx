import type { Told } from "./model";
import { clock, t } from "./text";

const short = (key: string | null) => (key && key.length > 16 ? `…${key.slice(-12)}` : (key ?? "–"));

/** The latest events, newest first. */
export function EventLog({ events }: { events: readonly Told[] }) {
  return (
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
            {events.map((event) => (
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
  );
}
