import type { OwnStory, StoryCreate } from "./model.ts";
import { StoriesError } from "./problem.ts";
import { pause } from "./transport.ts";

export interface Form {
  url: string;
  fields: Record<string, string>;
}

/** The calls that an upload makes. */
export interface UploadCalls {
  create(body: StoryCreate, key: string, signal: AbortSignal): Promise<{ id: string; upload: Form | null }>;
  form(id: string, signal: AbortSignal): Promise<Form>;
  publish(id: string, signal: AbortSignal): Promise<OwnStory | { id: string; state: string; progress?: number }>;
  cancel(id: string): Promise<void>;
}

export type UploadStage = "new" | "uploading" | "processing" | "live" | "scheduled" | "refused" | "cancelled";

export interface UploadProgress {
  stage: UploadStage;
  /** 0 to 1 of the stage: bytes sent, or media processed. */
  fraction: number;
}

/** What `resume` needs after a reload, with the same file. Contains nothing secret. */
export interface UploadState {
  key: string;
  id: string | null;
  sent: boolean;
}

export type SendForm = (form: Form, file: Blob, onProgress: (fraction: number) => void, signal: AbortSignal) => Promise<void>;

/**
 * One story from file to live: create, upload, publish, wait. `run` continues where the last one stopped, so it can be
 * called again after `pause`, after an error that is `temporary`, and after a reload with the stored `state`.
 */
export class Upload {
  private controller: AbortController | null = null;
  private form: Form | null = null;

  constructor(
    private readonly calls: UploadCalls,
    private readonly file: Blob | null,
    private readonly body: StoryCreate,
    private readonly onProgress: (progress: UploadProgress) => void = () => undefined,
    readonly state: UploadState = { key: crypto.randomUUID(), id: null, sent: false },
    private readonly send: SendForm = sendForm,
  ) {}

  /** Run to the end. Rejects with a StoriesError if the story is refused, and with an AbortError after `pause`. */
  async run(): Promise<OwnStory> {
    if (this.controller) throw new Error("the upload is running");
    const { signal } = (this.controller = new AbortController());
    try {
      if (this.state.id === null) {
        this.report("new", 0);
        const draft = await this.calls.create(this.body, this.state.key, signal);
        this.state.id = draft.id;
        this.form = draft.upload;
        if (draft.upload === null) this.state.sent = true; // a text story has no file
      }
      const id = this.state.id;
      if (!this.state.sent) await this.upload(id, signal);
      return await this.publish(id, signal);
    } catch (error) {
      if (error instanceof StoriesError && error.type === "media-refused") this.report("refused", 1);
      throw error;
    } finally {
      this.controller = null;
    }
  }

  /** Stop sending; `run` starts the file again with a fresh form. */
  pause(): void {
    this.controller?.abort(new DOMException("paused", "AbortError"));
  }

  /** Stop, and remove what was uploaded. */
  async cancel(): Promise<void> {
    this.pause();
    if (this.state.id) await this.calls.cancel(this.state.id);
    this.report("cancelled", 1);
  }

  private async upload(id: string, signal: AbortSignal): Promise<void> {
    if (!this.file) throw new Error("this story needs a file");
    const form = this.form ?? (await this.calls.form(id, signal));
    this.form = null; // a second run takes a fresh one
    this.report("uploading", 0);
    await this.send(form, this.file, (fraction) => this.report("uploading", fraction), signal);
    this.state.sent = true;
  }

  private async publish(id: string, signal: AbortSignal): Promise<OwnStory> {
    for (;;) {
      this.report("processing", 0);
      const answer = await this.calls.publish(id, signal);
      if (answer.state === "live" || answer.state === "scheduled") {
        this.report(answer.state, 1);
        return answer as OwnStory;
      }
      this.report("processing", Number(("progress" in answer && answer.progress) || 0));
      await pause(300, signal);
    }
  }

  private report(stage: UploadStage, fraction: number): void {
    this.onProgress({ stage, fraction });
  }
}

/** Send the multipart form: with progress where there is `XMLHttpRequest`, else with `fetch`. */
export const sendForm: SendForm = async (form, file, onProgress, signal) => {
  const body = new FormData();
  for (const [name, value] of Object.entries(form.fields)) body.append(name, value);
  body.append("file", file);
  if (typeof XMLHttpRequest === "undefined") {
    const response = await fetch(form.url, { method: "POST", body, signal }).catch((error: unknown) => {
      if (signal.aborted) throw error;
      throw StoriesError.unreachable(error);
    });
    if (!response.ok) throw new StoriesError(response.status, "upload-failed", "The object store refused the upload");
    onProgress(1);
    return;
  }
  await new Promise<void>((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal.addEventListener("abort", abort, { once: true });
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () =>
      request.status >= 200 && request.status < 300
        ? resolve()
        : reject(new StoriesError(request.status, "upload-failed", "The object store refused the upload"));
    request.onerror = () => reject(StoriesError.unreachable(null));
    request.onabort = () => reject(signal.reason);
    request.onloadend = () => signal.removeEventListener("abort", abort);
    request.open("POST", form.url);
    request.send(body);
  });
};
