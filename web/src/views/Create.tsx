/** Making a story: a file or a coloured background, layers placed by hand, choices, upload. A chunk of its own. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Layer, StoryCreate } from "stories-client";
import { CaptureIcon } from "../capture/CaptureIcon";
import { CropPanel, TrimPanel } from "../capture/Cutting";
import { CENTRE, type Crop, croppedPhoto, cutClip, moved, PORTRAIT, type Range, shownBy } from "../capture/cut";
import { t as tc } from "../capture/text";
import { lazyView } from "../lazyView";
import { config } from "../state";
import { t } from "../text";
import { fields } from "../ui/forms";
import type { IconName } from "../ui/icons";
import { Icon } from "../ui/parts";
import { type Adding, AddSheet } from "./AddSheet";
import { Canvas } from "./Canvas";
import { type Effect, EffectRow, effectLayer, effectStyle } from "./Effects";
import { LayerPanel, newText, Row } from "./LayerPanel";
import { type Cut, PostingProgress, usePosting } from "./Posting";
import { Preview } from "./Preview";
import { StoryOptions, storyOptions } from "./StoryOptions";
import { ANGLE, BACKGROUNDS, gradient, StoryStart } from "./StoryStart";

const Camera = lazyView(() => import("../capture/Camera").then((chunk) => chunk.Camera));

const ADDED: [Adding, IconName][] = [
  ["sticker", "smile"],
  ["poll", "vote"],
  ["quiz", "check"],
  ["question", "message-circle"],
  ["mention", "at-sign"],
  ["hashtag", "hash"],
  ["link", "link"],
  ["promo_code", "copy"],
];

export function Create() {
  const [file, setFile] = useState<File | null>(null);
  const [background, setBackground] = useState<[string, string] | null>(null);
  const [layers, setLayers] = useState<Layer[]>([]);
  const [selected, setSelected] = useState<number | null>(null);
  const [adding, setAdding] = useState<Adding | null>(null);
  const [effect, setEffect] = useState<Effect>("none");
  const [camera, setCamera] = useState(false);
  const [crop, setCrop] = useState<Crop | null>(null);
  const [range, setRange] = useState<Range | null>(null);
  const [length, setLength] = useState(0);
  const [cutting, setCutting] = useState<"crop" | "trim" | null>(null);
  const [original, setOriginal] = useState({ width: 9, height: 16 });
  const clip = useRef<HTMLVideoElement>(null);
  const [later, setLater] = useState(false);
  const posting = usePosting();
  const url = useMemo(() => (file ? URL.createObjectURL(file) : null), [file]);
  useEffect(() => () => void (url && URL.revokeObjectURL(url)), [url]);

  const ratio = crop || background ? PORTRAIT : original.width / original.height;
  const started = file !== null || background !== null;
  const video = file?.type.startsWith("video/") ?? false;
  const change = (index: number, changes: Partial<Layer>) =>
    setLayers((all) => all.map((each, at) => (at === index ? ({ ...each, ...changes } as Layer) : each)));
  const add = (layer: Layer) => {
    setLayers((all) => [...all, { ...layer, z: all.length + 1 }]);
    setSelected(layers.length);
    setAdding(null);
  };
  const choose = (chosen: File | null | undefined) => {
    if (!chosen) return;
    posting.setProblem(null);
    if (!/^(image|video)\//.test(chosen.type)) return posting.setProblem(t("reason_not_media"));
    if (config.value && chosen.size > config.value.max_upload_bytes) return posting.setProblem(t("reason_too_large"));
    setFile(chosen);
    setBackground(null);
    setCamera(false);
    setCrop(null);
    setRange(null);
    setCutting(null);
    setLength(0);
  };

  /** The file, or a new one that holds nothing but the part that is kept. */
  const cut: Cut = async (onProgress, signal) => {
    const part = range && range.to - range.from < length - 0.05 ? range : null;
    if (!file || (!crop && !part)) return file;
    onProgress(0);
    try {
      return video
        ? await cutClip(file, { crop, range: part, onProgress, signal })
        : await croppedPhoto(file, crop ?? CENTRE);
    } catch (error) {
      throw signal.aborted ? error : new Error(tc("cannotCut"));
    }
  };

  const send = (event: SubmitEvent) => {
    const text = fields(event);
    if (posting.progress) return;
    setSelected(null);
    const shown = layers.filter((each) => each.kind !== "text" || each.text.trim());
    const choices = {
      ...storyOptions(text),
      layers: effect === "none" ? shown : [...shown, effectLayer(effect)],
      ...(background && { media: { background, angle: ANGLE } }),
    } as Partial<StoryCreate>;
    void posting.post(cut, choices, later && text("at") ? new Date(text("at")) : undefined);
  };

  return (
    <main class="create">
      <header class="bar">
        <a class="icon-button" href="#/" aria-label={t("backHome")}>
          <Icon name="chevron-left" />
        </a>
        <h1>{t("create")}</h1>
      </header>
      {posting.problem && (
        <p class="banner error" role="alert">
          {posting.problem}
        </p>
      )}
      {!started ? (
        <StoryStart
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
              style={background ? { background: gradient(background) } : {}}
            >
              {url && (
                <Preview
                  url={url}
                  clip={video ? clip : null}
                  style={{ filter: effectStyle(effect), ...shownBy(crop) }}
                  range={range}
                  onSize={(width, height) => setOriginal({ width: width || 9, height: height || 16 })}
                  onLength={setLength}
                />
              )}
            </Canvas>
            <div class="tools" role="toolbar" aria-label={t("add")}>
              {file && (
                <Tool
                  icon={<CaptureIcon of="crop" />}
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
                  icon={<CaptureIcon of="scissors" />}
                  label={tc("trim")}
                  pressed={range !== null}
                  onClick={() => {
                    setRange(range && cutting === "trim" ? null : (range ?? { from: 0, to: length }));
                    setCutting(range && cutting === "trim" ? null : "trim");
                  }}
                />
              )}
              <Tool icon={<Icon name="type" />} label={t("addText")} onClick={() => add(newText())} />
              {ADDED.map(([kind, icon]) => (
                <Tool key={kind} icon={<Icon name={icon} />} label={t(kind)} onClick={() => setAdding(kind)} />
              ))}
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
                  if (clip.current) clip.current.currentTime = at;
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
                    style={{ background: gradient(pair) }}
                    onClick={() => setBackground(pair)}
                  />
                ))}
              </Row>
            ) : (
              <EffectRow effect={effect} onChange={setEffect} />
            )}
            <StoryOptions later={later} onLater={setLater} />
            {posting.progress ? (
              <PostingProgress posting={posting} progress={posting.progress} hint={video ? tc("cutHint") : null} />
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
