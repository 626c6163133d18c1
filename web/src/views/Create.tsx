/** Making a story: a file or a coloured background, layers placed by hand, choices, upload. A chunk of its own. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Layer, StoriesError, type Upload, type UploadProgress } from "stories-client";
import { CropPanel, TrimPanel } from "../capture/Cutting";
import {
  CENTRE,
  type Crop,
  croppedPhoto,
  cutClip,
  lengthOf,
  moved,
  PORTRAIT,
  type Range,
  shownBy,
} from "../capture/cut";
import { Shape } from "../capture/Shape";
import { t as tc } from "../capture/text";
import { later } from "../later";
import { filter } from "../player/geometry";
import { config, explain, go, refreshTray, say, session } from "../state";
import { type Key, t } from "../text";
import { fields, TimeField } from "../ui/forms";
import { Icon } from "../ui/parts";
import { type Adding, AddSheet } from "./AddSheet";
import { Canvas } from "./Canvas";
import { COLORS, LayerPanel, Row } from "./LayerPanel";
import { BACKGROUNDS, Start } from "./Start";

const Camera = later(() => import("../capture/Camera").then((chunk) => chunk.Camera));

const EFFECTS = ["none", "warm", "cool", "vivid", "fade", "mono"] as const;

type Text = Extract<Layer, { kind: "text" }>;
type Sending = UploadProgress | { stage: "cutting"; fraction: number };

export function Create() {
  const [file, setFile] = useState<File | null>(null);
  const [background, setBackground] = useState<[string, string] | null>(null);
  const [layers, setLayers] = useState<Layer[]>([]);
  const [selected, setSelected] = useState<number | null>(null);
  const [adding, setAdding] = useState<Adding | null>(null);
  const [effect, setEffect] = useState<(typeof EFFECTS)[number]>("none");
  const [progress, setProgress] = useState<Sending | null>(null);
  const [paused, setPaused] = useState(false);
  const [camera, setCamera] = useState(false);
  const [crop, setCrop] = useState<Crop | null>(null);
  const [range, setRange] = useState<Range | null>(null);
  const [length, setLength] = useState(0);
  const [cutting, setCutting] = useState<"crop" | "trim" | null>(null);
  const [original, setOriginal] = useState({ width: 9, height: 16 });
  const preview = useRef<HTMLVideoElement>(null);
  const stop = useRef(new AbortController());
  const [problem, setProblem] = useState<string | null>(null);
  const [later, setLater] = useState(false);
  const upload = useRef<Upload | null>(null);
  const url = useMemo(() => (file ? URL.createObjectURL(file) : null), [file]);
  useEffect(() => () => void (url && URL.revokeObjectURL(url)), [url]);

  const ratio = crop || background ? PORTRAIT : original.width / original.height;
  const started = file !== null || background !== null;
  const video = file?.type.startsWith("video/") ?? false;
  const sending = progress !== null && problem === null;
  const change = (index: number, changes: Partial<Layer>) =>
    setLayers((all) => all.map((each, at) => (at === index ? ({ ...each, ...changes } as Layer) : each)));
  const add = (layer: Layer) => {
    setLayers((all) => [...all, { ...layer, z: all.length + 1 }]);
    setSelected(layers.length);
    setAdding(null);
  };
  const newText = (): Text => ({
    kind: "text",
    text: "",
    font: "modern",
    color: COLORS.white,
    background: null,
    align: "center",
    x: 0.5,
    y: 0.42,
    w: 0.82,
    h: 0.14,
  });
  const choose = (chosen: File | null | undefined) => {
    if (!chosen) return;
    setProblem(null);
    if (!/^(image|video)\//.test(chosen.type)) return setProblem(t("reason_not_media"));
    if (config.value && chosen.size > config.value.max_upload_bytes) return setProblem(t("reason_too_large"));
    setFile(chosen);
    setBackground(null);
    setCamera(false);
    setCrop(null);
    setRange(null);
    setCutting(null);
    setLength(0);
  };

  /** The file, or a new one that holds nothing but the part that is kept. */
  const cut = async (whole: File): Promise<File> => {
    const part = range && range.to - range.from < length - 0.05 ? range : null;
    if (!crop && !part) return whole;
    const onProgress = (fraction: number) => setProgress({ stage: "cutting", fraction });
    onProgress(0);
    const { signal } = stop.current;
    try {
      return video
        ? await cutClip(whole, { crop, range: part, onProgress, signal })
        : await croppedPhoto(whole, crop ?? CENTRE);
    } catch (error) {
      throw signal.aborted ? error : new Error(tc("cannotCut"));
    }
  };

  const send = async (event: SubmitEvent) => {
    const text = fields(event);
    const { api } = session.value ?? {};
    if (!api || sending) return;
    setProblem(null);
    setSelected(null);
    setProgress({ stage: "new", fraction: 0 });
    const shown = layers.filter((each) => each.kind !== "text" || each.text.trim());
    const all: Layer[] =
      effect === "none"
        ? shown
        : [...shown, { kind: "effect", name: effect, intensity: 1, x: 0.5, y: 0.5, w: 1, h: 1 }];
    const choices: Record<string, unknown> = {
      audience: text("audience"),
      comments: text("comments"),
      lifetime: text("lifetime"),
      layers: all,
    };
    for (const name of ["caption", "alt_text"]) if (text(name)) choices[name] = text(name);
    const hidden = text("hide_from")
      .split(/[\s,]+/)
      .filter(Boolean);
    if (hidden.length) choices.hide_from = hidden;
    for (const name of ["reactions", "sharing"]) choices[name] = text(name) === "on";
    try {
      stop.current = new AbortController();
      const media = file && (await cut(file));
      if (background) choices.media = { background, angle: 160 };
      const at = later && text("at") ? new Date(text("at")) : undefined;
      const begun = api.upload(
        media,
        choices,
        (now) => upload.current === begun && setProgress(now), // nothing more of one that was cancelled
        undefined,
        at,
      );
      upload.current = begun;
      await run(begun, at !== undefined);
    } catch (error) {
      failed(error);
    }
  };

  /** From where the upload stopped to the end. */
  const run = async (started: Upload, scheduled: boolean) => {
    setPaused(false);
    try {
      await started.run();
      say(t(scheduled ? "scheduled" : "posted"));
      void refreshTray();
      go(scheduled ? "/me" : "/");
    } catch (error) {
      if (upload.current === started && error instanceof DOMException) setPaused(true);
      else failed(error);
    }
  };

  const failed = (error: unknown) => {
    setProgress(null);
    if (error instanceof DOMException) return;
    setProblem(error instanceof StoriesError ? refusal(error) : (error as Error).message || t("failed"));
  };

  return (
    <main class="create">
      <header class="bar">
        <a class="icon-button" href="#/" aria-label={t("backHome")}>
          <Icon name="chevron-left" />
        </a>
        <h1>{t("create")}</h1>
      </header>
      {problem && (
        <p class="banner error" role="alert">
          {problem}
        </p>
      )}
      {!started ? (
        <Start
          onFile={choose}
          onCamera={() => setCamera(true)}
          onText={(colors) => {
            setBackground(colors);
            setCrop(null);
            setLayers([newText()]);
            setSelected(0);
          }}
        />
      ) : (
        <form class="editor" onSubmit={send}>
          <div class="canvas-side">
            <Canvas
              layers={layers}
              selected={selected}
              onSelect={setSelected}
              onChange={change}
              onPan={
                crop && cutting === "crop"
                  ? (dx, dy) => setCrop(moved(crop, original.width, original.height, dx, dy))
                  : undefined
              }
              ratio={ratio}
              style={{
                ...(background && { background: `linear-gradient(160deg, ${background[0]}, ${background[1]})` }),
              }}
            >
              {url &&
                (video ? (
                  <video
                    ref={preview}
                    src={url}
                    muted
                    autoplay
                    loop
                    playsInline
                    style={{ filter: effectStyle(effect), ...shownBy(crop) }}
                    onLoadedMetadata={({ currentTarget: clip }) => {
                      setOriginal({ width: clip.videoWidth || 9, height: clip.videoHeight || 16 });
                      void lengthOf(clip).then(setLength, () => undefined);
                    }}
                    onTimeUpdate={({ currentTarget: clip }) => {
                      const outside = range && (clip.currentTime > range.to || clip.currentTime < range.from - 0.3);
                      if (outside && !clip.seeking) clip.currentTime = range.from;
                    }}
                  />
                ) : (
                  <img
                    src={url}
                    alt=""
                    style={{ filter: effectStyle(effect), ...shownBy(crop) }}
                    onLoad={({ currentTarget: { naturalWidth: width, naturalHeight: height } }) =>
                      setOriginal({ width: width || 9, height: height || 16 })
                    }
                  />
                ))}
            </Canvas>
            <div class="tools" role="toolbar" aria-label={t("add")}>
              {file && (
                <Tool
                  icon={<Shape of="crop" />}
                  label={tc("crop")}
                  pressed={crop !== null}
                  onClick={() => {
                    setCrop(crop && cutting === "crop" ? null : (crop ?? CENTRE));
                    setCutting(crop && cutting === "crop" ? null : "crop");
                  }}
                />
              )}
              {video && length > 1 && (
                <Tool
                  icon={<Shape of="scissors" />}
                  label={tc("trim")}
                  pressed={range !== null}
                  onClick={() => {
                    setRange(range && cutting === "trim" ? null : (range ?? { from: 0, to: length }));
                    setCutting(range && cutting === "trim" ? null : "trim");
                  }}
                />
              )}
              <Tool icon={<Icon name="type" />} label={t("addText")} onClick={() => add(newText())} />
              <Tool icon={<Icon name="smile" />} label={t("sticker")} onClick={() => setAdding("sticker")} />
              <Tool icon={<Icon name="vote" />} label={t("poll")} onClick={() => setAdding("poll")} />
              <Tool icon={<Icon name="check" />} label={t("quiz")} onClick={() => setAdding("quiz")} />
              <Tool icon={<Icon name="message-circle" />} label={t("question")} onClick={() => setAdding("question")} />
              <Tool icon={<Icon name="at-sign" />} label={t("mention")} onClick={() => setAdding("mention")} />
              <Tool icon={<Icon name="hash" />} label={t("hashtag")} onClick={() => setAdding("hashtag")} />
              <Tool icon={<Icon name="link" />} label={t("link")} onClick={() => setAdding("link")} />
              <Tool icon={<Icon name="copy" />} label={t("promo_code")} onClick={() => setAdding("promo_code")} />
            </div>
          </div>
          <div class="stack choices-side">
            {cutting === "crop" && crop && <CropPanel crop={crop} onChange={setCrop} />}
            {cutting === "trim" && range && url && (
              <TrimPanel
                url={url}
                length={length}
                range={range}
                onChange={(changed, at) => {
                  setRange(changed);
                  if (preview.current) preview.current.currentTime = at;
                }}
              />
            )}
            {selected !== null && layers[selected] && (
              <LayerPanel
                layer={layers[selected]}
                onChange={(changes) => change(selected, changes)}
                onRemove={() => {
                  setLayers((all) => all.filter((_, at) => at !== selected));
                  setSelected(null);
                }}
                onDone={() => setSelected(null)}
              />
            )}
            {background ? (
              <Row label={t("color", { name: "" })}>
                {BACKGROUNDS.map((pair) => (
                  <button
                    key={pair.join()}
                    type="button"
                    class="swatch large"
                    aria-label={t("color", { name: pair.join(" ") })}
                    aria-pressed={pair === background}
                    style={{ background: `linear-gradient(160deg, ${pair[0]}, ${pair[1]})` }}
                    onClick={() => setBackground(pair)}
                  />
                ))}
              </Row>
            ) : (
              <Row label={t("filter")}>
                {EFFECTS.map((each) => (
                  <button
                    key={each}
                    type="button"
                    class="filter-chip"
                    aria-pressed={each === effect}
                    onClick={() => setEffect(each)}
                  >
                    <span style={{ filter: effectStyle(each) }} />
                    {t(`effect_${each}`)}
                  </button>
                ))}
              </Row>
            )}
            <label>
              <span>{t("caption")}</span>
              <textarea name="caption" rows={2} maxLength={2200} placeholder={t("write")} />
            </label>
            <div class="pair">
              <Select
                name="audience"
                label={t("audience")}
                options={(config.value?.audiences ?? ["everyone"]).map((each) => [each, t(`audience_${each}` as Key)])}
              />
              <Select
                name="lifetime"
                label={t("lifetime")}
                options={(config.value?.lifetimes ?? ["24h"]).map((each) => [each, each])}
              />
            </div>
            <div class="pair">
              <label>
                <span>{t("when")}</span>
                <select onChange={(event) => setLater(event.currentTarget.value === "later")}>
                  <option value="now">{t("whenNow")}</option>
                  <option value="later">{t("whenLater")}</option>
                </select>
              </label>
              {later && <TimeField />}
            </div>
            <details>
              <summary>{t("more")}</summary>
              <div class="stack">
                <Select
                  name="comments"
                  label={t("commentsFor")}
                  options={["everyone", "friends", "nobody"].map((each) => [each, t(each as Key)])}
                />
                <label>
                  <span>{t("altText")}</span>
                  <input name="alt_text" maxLength={2200} />
                </label>
                <label>
                  <span>{t("hideFrom")}</span>
                  <input name="hide_from" placeholder="mallory, eve" autocapitalize="off" />
                </label>
                <label class="switch-row">
                  <span>{t("react")}</span>
                  <input type="checkbox" role="switch" name="reactions" defaultChecked />
                </label>
                <label class="switch-row">
                  <span>{t("share")}</span>
                  <input type="checkbox" role="switch" name="sharing" defaultChecked />
                </label>
              </div>
            </details>
            {sending && progress ? (
              <div class="progress" role="status">
                <span class="progress-bar" style={{ "--done": String(overall(progress)) }} />
                <span>
                  {progress.stage === "cutting"
                    ? tc("cutting", { n: Math.round(progress.fraction * 100) })
                    : progress.stage === "uploading"
                      ? t(paused ? "uploadPaused" : "uploading", { n: Math.round(progress.fraction * 100) })
                      : t("processing")}
                </span>
                <span class="choices">
                  {upload.current && (paused || progress.stage === "uploading") && (
                    <button
                      type="button"
                      class="button small"
                      onClick={() => {
                        if (paused && upload.current) void run(upload.current, later);
                        else upload.current?.pause();
                      }}
                    >
                      {t(paused ? "resume" : "pause")}
                    </button>
                  )}
                  <button
                    type="button"
                    class="button small"
                    onClick={() => {
                      stop.current.abort();
                      const begun = upload.current;
                      upload.current = null;
                      void begun?.cancel().catch(() => undefined);
                      setPaused(false);
                      setProgress(null);
                    }}
                  >
                    {t("cancel")}
                  </button>
                </span>
                {progress.stage === "cutting" && video && <small class="wide-row">{tc("cutHint")}</small>}
              </div>
            ) : (
              <button type="submit" class="button primary big">
                {t(later ? "schedule" : "post")}
              </button>
            )}
          </div>
        </form>
      )}
      {camera && <Camera onTaken={choose} onClose={() => setCamera(false)} />}
      {adding && <AddSheet kind={adding} onAdd={add} onClose={() => setAdding(null)} />}
    </main>
  );
}

/** Why a story was not taken, and what to do about it. */
function refusal(error: unknown): string {
  if (error instanceof StoriesError && error.type === "media-refused" && error.reason)
    return t(`reason_${error.reason}` as Key);
  return explain(error);
}

function overall({ stage, fraction }: Sending): number {
  if (stage === "cutting") return fraction;
  if (stage === "uploading") return 0.05 + 0.75 * fraction;
  if (stage === "processing") return 0.8 + 0.18 * fraction;
  return stage === "live" ? 1 : 0.03;
}

const effectStyle = (name: string) => filter([{ kind: "effect", name, intensity: 1, x: 0.5, y: 0.5, w: 1, h: 1 }]);

interface ToolProps {
  icon: preact.ComponentChildren;
  label: string;
  pressed?: boolean;
  onClick: () => void;
}

function Tool({ icon, label, pressed, onClick }: ToolProps) {
  return (
    <button type="button" class="tool" aria-pressed={pressed} onClick={onClick}>
      <span>{icon}</span>
      {label}
    </button>
  );
}

function Select({ name, label, options }: { name: string; label: string; options: [string, string][] }) {
  return (
    <label>
      <span>{label}</span>
      <select name={name}>
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
