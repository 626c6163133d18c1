/** Where a photo or clip is cut: the part in 9:16, and the beginning and end of a clip. */
import { useEffect, useRef } from "preact/hooks";
import { language } from "../text";
import { Slider } from "../ui/forms";
import { type Crop, happened, type Range } from "./cut";
import { t } from "./text";
import "./cutting.css";

/** On a phone a panel opens below what fits. */
const intoView = (panel: HTMLElement | null) => panel?.scrollIntoView({ block: "nearest" });

export function CropPanel({ crop, onChange }: { crop: Crop; onChange: (crop: Crop) => void }) {
  const part = (name: keyof Crop, label: "across" | "down" | "zoom", min: number, max: number) => (
    <Slider
      label={t(label)}
      min={min}
      max={max}
      step={0.01}
      value={crop[name]}
      onInput={(value) => onChange({ ...crop, [name]: value })}
    />
  );
  return (
    <section class="panel stack cutting" aria-label={t("cropOn")} ref={intoView}>
      <div class="pair">
        {part("x", "across", 0, 1)}
        {part("y", "down", 0, 1)}
      </div>
      {part("zoom", "zoom", 1, 3)}
    </section>
  );
}

const PICTURES = 10;
const SHORTEST = 0.5;
const seconds = (value: number) =>
  new Intl.NumberFormat(language.value, {
    style: "unit",
    unit: "second",
    unitDisplay: "narrow",
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  }).format(value);

interface TrimProps {
  url: string;
  length: number;
  range: Range;
  onChange: (range: Range, at: number) => void;
}

export function TrimPanel({ url, length, range, onChange }: TrimProps) {
  const film = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    let open = true;
    void pictures(url, length, film.current, () => open).catch(() => undefined); // the edges work without pictures
    return () => {
      open = false;
    };
  }, [url, length]);
  const edge = (name: keyof Range, value: number, changed: (value: number) => Range) => (
    <input
      type="range"
      class={`edge ${name}`}
      min="0"
      max={length}
      step="0.1"
      value={value}
      aria-label={t(name)}
      aria-valuetext={seconds(value)}
      onInput={(event) => {
        const next = changed(Number(event.currentTarget.value));
        event.currentTarget.value = String(next[name]);
        onChange(next, next[name]);
      }}
    />
  );
  return (
    <section class="panel trim cutting" aria-label={t("trim")} ref={intoView}>
      <div
        class="film"
        dir="ltr"
        style={{ "--from": `${(range.from / length) * 100}%`, "--to": `${(range.to / length) * 100}%` }}
      >
        <canvas ref={film} width={PICTURES * 54} height={96} />
        <span class="kept" />
        {edge("from", range.from, (value) => ({ ...range, from: Math.min(value, range.to - SHORTEST) }))}
        {edge("to", range.to, (value) => ({ ...range, to: Math.max(value, range.from + SHORTEST) }))}
      </div>
      <p class="note">{t("kept", { kept: seconds(range.to - range.from), all: seconds(length) })}</p>
    </section>
  );
}

/** Small pictures from the whole clip, side by side. */
async function pictures(url: string, length: number, film: HTMLCanvasElement | null, open: () => boolean) {
  const context = film?.getContext("2d");
  if (!film || !context) return;
  const video = document.createElement("video");
  video.muted = true;
  video.src = url;
  await happened(video, "loadeddata");
  const width = film.width / PICTURES;
  const scale = Math.max(width / video.videoWidth, film.height / video.videoHeight);
  const [across, down] = [width / scale, film.height / scale];
  const [x, y] = [(video.videoWidth - across) / 2, (video.videoHeight - down) / 2];
  for (let n = 0; n < PICTURES && open(); n++) {
    video.currentTime = ((n + 0.5) / PICTURES) * length;
    await happened(video, "seeked");
    context.drawImage(video, x, y, across, down, n * width, 0, width, film.height);
  }
  video.removeAttribute("src");
}
