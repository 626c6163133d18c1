/** What a story begins with: a file, the camera, or a coloured background for text. */
import { useState } from "preact/hooks";
import { CaptureIcon } from "../capture/CaptureIcon";
import { t as tc } from "../capture/text";
import { config } from "../state";
import { bytes, t } from "../text";
import { Icon } from "../ui/parts";

export const BACKGROUNDS: [string, string][] = [
  ["#2A6CFF", "#6B4DFF"],
  ["#FF5F6D", "#FFC371"],
  ["#0BA360", "#3CBA92"],
  ["#FF4D8D", "#7B2FF7"],
  ["#1F1C2C", "#5B5F97"],
  ["#F7971E", "#FFD200"],
];

/** In degrees, here and where the server draws it. */
export const ANGLE = 160;
export const gradient = ([from, to]: [string, string]) => `linear-gradient(${ANGLE}deg, ${from}, ${to})`;

interface Props {
  onFile: (file: File | null | undefined) => void;
  onCamera: () => void;
  onText: (colors: [string, string]) => void;
}

export function StoryStart({ onFile, onCamera, onText }: Props) {
  const [over, setOver] = useState(false);
  return (
    <div class="start">
      <label
        class={`drop ${over ? "over" : ""}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          onFile(event.dataTransfer?.files[0]);
        }}
      >
        <span class="empty-icon">
          <Icon name="image" />
        </span>
        <b>{t("choose")}</b>
        <small>{t("chooseHint", { size: bytes(config.value?.max_upload_bytes ?? 536_870_912) })}</small>
        <input type="file" accept="image/*,video/*" onChange={(event) => onFile(event.currentTarget.files?.[0])} />
      </label>
      {navigator.mediaDevices && (
        <button type="button" class="take" onClick={onCamera}>
          <CaptureIcon of="camera" />
          <span>
            <b>{tc("camera")}</b>
            <small>{tc("cameraHint")}</small>
          </span>
          <Icon name="chevron-left" />
        </button>
      )}
      <h2>{t("textStory")}</h2>
      <div class="backgrounds">
        {BACKGROUNDS.map((pair) => (
          <button
            key={pair.join()}
            type="button"
            aria-label={`${t("textStory")} ${pair.join(" ")}`}
            style={{ background: gradient(pair) }}
            onClick={() => onText(pair)}
          >
            Aa
          </button>
        ))}
      </div>
    </div>
  );
}
