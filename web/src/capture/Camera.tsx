/** The camera: a photo or a clip of what one sees, in 9:16. A chunk of its own. */
import { useEffect, useRef, useState } from "preact/hooks";
import { config } from "../state";
import { span, t as tr } from "../text";
import { useModal } from "../ui/hooks";
import { IconButton } from "../ui/parts";
import { CaptureIcon } from "./CaptureIcon";
import { CENTRE, Recording, still } from "./cut";
import { t } from "./text";
import "./camera.css";

type Mode = "photo" | "clip";
type Facing = "user" | "environment";
type Problem = "denied" | "missing" | "busy";

/** The camera, and the microphone only for clips, and only where there is one. */
async function opened(mode: Mode, facingMode: Facing): Promise<MediaStream> {
  const video = { facingMode, width: { ideal: 1920 }, height: { ideal: 1080 } };
  try {
    return await navigator.mediaDevices.getUserMedia({ video, audio: mode === "clip" });
  } catch (error) {
    if (mode === "photo" || (error as DOMException).name !== "NotFoundError") throw error;
    return navigator.mediaDevices.getUserMedia({ video });
  }
}

function problemOf(error: unknown): Problem {
  const { name } = error as DOMException;
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  return name === "NotFoundError" || name === "OverconstrainedError" ? "missing" : "busy";
}

export function Camera({ onTaken, onClose }: { onTaken: (file: File) => void; onClose: () => void }) {
  const [mode, setMode] = useState<Mode>("photo");
  const [facing, setFacing] = useState<Facing>("user");
  const [several, setSeveral] = useState(false);
  const [ready, setReady] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [tries, setTries] = useState(0);
  const [recording, setRecording] = useState<Recording | null>(null);
  const [lasted, setLasted] = useState(0);
  const dialog = useModal();
  const preview = useRef<HTMLVideoElement>(null);
  const most = (config.value?.max_clip_ms ?? 15_000) * (config.value?.max_parts ?? 1);

  useEffect(() => {
    let stream: MediaStream | null = null;
    let closed = false;
    setReady(false);
    setProblem(null);
    const open = async () => {
      stream = await opened(mode, facing);
      if (closed || !preview.current) return end();
      preview.current.srcObject = stream;
      await preview.current.play();
      const devices = await navigator.mediaDevices.enumerateDevices();
      setSeveral(devices.filter((each) => each.kind === "videoinput").length > 1);
      setReady(true);
    };
    const end = () => {
      for (const track of stream?.getTracks() ?? []) track.stop();
    };
    open().catch((error: unknown) => !closed && setProblem(problemOf(error)));
    return () => {
      closed = true;
      end();
    };
  }, [mode, facing, tries]);

  useEffect(() => {
    if (!recording) return;
    const began = performance.now();
    const timer = setInterval(() => {
      setLasted(performance.now() - began);
      if (performance.now() - began >= most) recording.stop();
    }, 100);
    void recording.file.then(onTaken, () => setProblem("busy"));
    return () => {
      clearInterval(timer);
      recording.stop();
    };
  }, [recording]);

  const shoot = async () => {
    const video = preview.current;
    if (!video) return;
    if (mode === "photo") return onTaken(await still(video, CENTRE));
    if (recording) return recording.stop();
    try {
      setLasted(0);
      setRecording(new Recording(video, CENTRE, (video.srcObject as MediaStream).getAudioTracks()));
    } catch {
      setProblem("busy");
    }
  };
  const label = mode === "photo" ? "take" : recording ? "stop" : "record";
  return (
    <dialog
      ref={dialog}
      class="camera"
      aria-label={t("camera")}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div class="viewfinder">
        <video ref={preview} class={facing === "user" ? "mirrored" : ""} muted playsInline aria-label={t("camera")} />
        {!ready && !problem && <span class="spinner" />}
        {problem && (
          <div class="camera-problem" role="alert">
            <p>{t(problem)}</p>
            <button type="button" class="button" onClick={() => setTries(tries + 1)}>
              {tr("retry")}
            </button>
          </div>
        )}
        <div class="camera-top">
          <IconButton icon="x" label={tr("close")} onClick={onClose} />
          {recording && (
            <span class="lasted" role="timer">
              {span(lasted)}
            </span>
          )}
          {several && !recording && (
            <button
              type="button"
              class="icon-button"
              aria-label={t("turn")}
              title={t("turn")}
              onClick={() => setFacing(facing === "user" ? "environment" : "user")}
            >
              <CaptureIcon of="turn" />
            </button>
          )}
        </div>
        <div class="camera-bottom">
          <button
            type="button"
            class={`shutter ${mode} ${recording ? "on" : ""}`}
            aria-label={t(label)}
            disabled={!ready || problem !== null}
            onClick={() => void shoot()}
          />
          <div class="camera-modes" role="group" aria-label={t("camera")}>
            {(["photo", "clip"] as const).map((each) => (
              <button
                key={each}
                type="button"
                aria-pressed={mode === each}
                disabled={recording !== null}
                onClick={() => setMode(each)}
              >
                {t(each)}
              </button>
            ))}
          </div>
        </div>
      </div>
    </dialog>
  );
}
