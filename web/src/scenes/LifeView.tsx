/** The life of one story, from the POST to the tombstone. */
import { language, span } from "../text";
import { useNow } from "../ui/hooks";
import { Avatar } from "../ui/parts";
import type { Life, Step } from "./model";
import { clock, t } from "./text";

export function Phase({ life }: { life: Life }) {
  const state = life.complete ? "gone" : life.ended ? "erasing" : "live";
  return <span class={`phase ${state}`}>{t(`state_${state}`)}</span>;
}

export function LifeView({ life }: { life: Life }) {
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
