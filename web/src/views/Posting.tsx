/** A story on its way: cut, sent and processed. It can be paused, continued and cancelled. */
import { useRef, useState } from "preact/hooks";
import { StoriesError, type StoryCreate, type Upload, type UploadProgress } from "stories-client";
import { t as tc } from "../capture/text";
import { explain, go, refreshTray, say, session } from "../state";
import { type Key, t } from "../text";

type Progress = UploadProgress | { stage: "cutting"; fraction: number };

/** Makes the file that is sent. */
export type Cut = (onProgress: (fraction: number) => void, signal: AbortSignal) => Promise<File | null>;

export function usePosting() {
  const [progress, setProgress] = useState<Progress | null>(null);
  const [paused, setPaused] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const upload = useRef<{ of: Upload; scheduled: boolean } | null>(null);
  const stop = useRef(new AbortController());

  const failed = (error: unknown) => {
    setProgress(null);
    if (error instanceof DOMException) return; // cancelled
    setProblem(error instanceof StoriesError ? refusal(error) : (error as Error).message || t("failed"));
  };

  /** From where the upload stopped to the end. */
  const run = async () => {
    const running = upload.current;
    if (!running) return;
    setPaused(false);
    try {
      await running.of.run();
      say(t(running.scheduled ? "scheduled" : "posted"));
      void refreshTray();
      go(running.scheduled ? "/me" : "/");
    } catch (error) {
      if (upload.current === running && error instanceof DOMException) setPaused(true);
      else failed(error);
    }
  };

  return {
    progress,
    paused,
    problem,
    setProblem,
    canPause: upload.current !== null && (paused || progress?.stage === "uploading"),
    /** With `at` the story goes live at that time. */
    async post(cut: Cut, choices: Partial<StoryCreate>, at?: Date): Promise<void> {
      const { api } = session.value ?? {};
      if (!api) return;
      setProblem(null);
      setProgress({ stage: "new", fraction: 0 });
      stop.current = new AbortController();
      try {
        const file = await cut((fraction) => setProgress({ stage: "cutting", fraction }), stop.current.signal);
        const onProgress = (now: UploadProgress) => upload.current?.of === begun && setProgress(now); // not cancelled
        const begun: Upload = api.upload(file, choices, onProgress, undefined, at);
        upload.current = { of: begun, scheduled: at !== undefined };
        await run();
      } catch (error) {
        failed(error);
      }
    },
    pause() {
      if (paused) void run();
      else upload.current?.of.pause();
    },
    cancel() {
      stop.current.abort();
      const begun = upload.current;
      upload.current = null;
      void begun?.of.cancel().catch(() => undefined);
      setPaused(false);
      setProgress(null);
    },
  };
}

/** Why a story was not taken, and what to do about it. */
function refusal(error: StoriesError): string {
  return error.type === "media-refused" && error.reason ? t(`reason_${error.reason}` as Key) : explain(error);
}

function overall({ stage, fraction }: Progress): number {
  if (stage === "cutting") return fraction;
  if (stage === "uploading") return 0.05 + 0.75 * fraction;
  if (stage === "processing") return 0.8 + 0.18 * fraction;
  return stage === "live" ? 1 : 0.03;
}

interface Props {
  posting: ReturnType<typeof usePosting>;
  progress: Progress;
  hint: string | null;
}

export function PostingProgress({ posting, progress, hint }: Props) {
  const n = Math.round(progress.fraction * 100);
  const texts: Partial<Record<Progress["stage"], string>> = {
    cutting: tc("cutting", { n }),
    uploading: t(posting.paused ? "uploadPaused" : "uploading", { n }),
  };
  return (
    <div class="progress" role="status">
      <span class="progress-bar" style={{ "--done": String(overall(progress)) }} />
      <span>{texts[progress.stage] ?? t("processing")}</span>
      <span class="choices">
        {posting.canPause && (
          <button type="button" class="button small" onClick={posting.pause}>
            {t(posting.paused ? "resume" : "pause")}
          </button>
        )}
        <button type="button" class="button small" onClick={posting.cancel}>
          {t("cancel")}
        </button>
      </span>
      {progress.stage === "cutting" && hint && <small class="wide-row">{hint}</small>}
    </div>
  );
}
