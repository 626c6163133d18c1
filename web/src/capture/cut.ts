/** What is cut out of a photo, a clip or the camera's picture before it is sent. */

/** A part of a picture of 9:16: where it lies between the edges, 0 to 1 across and down, and how far in, from 1. */
export interface Crop {
  x: number;
  y: number;
  zoom: number;
}

/** What is kept of a clip, in seconds. */
export interface Range {
  from: number;
  to: number;
}

interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

export const PORTRAIT = 9 / 16;
export const CENTRE: Crop = { x: 0.5, y: 0.5, zoom: 1 };
const FRAMES_PER_SECOND = 30;
const BITS_PER_SECOND = 8_000_000;

/** The part of a picture that a crop keeps; all of it without one. */
export function kept(width: number, height: number, crop: Crop | null): Rect {
  if (!crop) return { x: 0, y: 0, width, height };
  const across = Math.min(width, height * PORTRAIT) / crop.zoom;
  const down = across / PORTRAIT;
  return { x: (width - across) * crop.x, y: (height - down) * crop.y, width: across, height: down };
}

/** The size that a part is drawn at: as it is, in even sides, at most `most` on the longer one. */
export function drawnSize({ width, height }: Rect, most: number): { width: number; height: number } {
  const scale = Math.min(1, most / Math.max(width, height));
  const even = (side: number) => Math.max(2, Math.round((side * scale) / 2) * 2);
  return { width: even(width), height: even(height) };
}

/** The media element shows the same part of itself as `kept` says. */
export function shownBy(crop: Crop | null): Record<string, string> {
  if (!crop) return {};
  const at = `${crop.x * 100}% ${crop.y * 100}%`;
  return { objectPosition: at, transformOrigin: at, transform: `scale(${crop.zoom})` };
}

/** Moving the picture by a share of its frame moves the crop against it, as far as there is something to move. */
export function moved(crop: Crop, width: number, height: number, dx: number, dy: number): Crop {
  const part = kept(width, height, crop);
  const along = (at: number, by: number, side: number, whole: number) =>
    whole - side < 1 ? at : Math.min(1, Math.max(0, at - (by * side) / (whole - side)));
  return { ...crop, x: along(crop.x, dx, part.width, width), y: along(crop.y, dy, part.height, height) };
}

class Canvas {
  readonly element = document.createElement("canvas");
  private readonly context: CanvasRenderingContext2D;

  constructor(
    private readonly part: Rect,
    most: number,
  ) {
    Object.assign(this.element, drawnSize(part, most));
    const context = this.element.getContext("2d");
    if (!context) throw new Error("no canvas");
    this.context = context;
  }

  draw(picture: CanvasImageSource): void {
    const { x, y, width, height } = this.part;
    this.context.drawImage(picture, x, y, width, height, 0, 0, this.element.width, this.element.height);
  }

  photo(type = "image/jpeg"): Promise<File> {
    return new Promise((resolve, reject) => {
      const done = (blob: Blob | null) =>
        blob ? resolve(new File([blob], "photo", { type: blob.type })) : reject(new Error("no picture"));
      this.element.toBlob(done, type, 0.95);
    });
  }
}

/** A part of a photo, upright. What may be transparent stays so. */
export async function croppedPhoto(file: Blob, crop: Crop): Promise<File> {
  const picture = await createImageBitmap(file);
  const canvas = new Canvas(kept(picture.width, picture.height, crop), 4096);
  canvas.draw(picture);
  picture.close();
  return canvas.photo(/png|webp|avif/.test(file.type) ? "image/png" : "image/jpeg");
}

/** A photo of what a camera shows now. */
export function still(video: HTMLVideoElement, crop: Crop): Promise<File> {
  const canvas = new Canvas(kept(video.videoWidth, video.videoHeight, crop), 4096);
  canvas.draw(video);
  return canvas.photo();
}

/** What this browser records that a story takes: H.264 first, which the server need not encode anew. */
function recordedType(): string {
  const h264 = "video/mp4;codecs=avc1.640028";
  const types = [`${h264},mp4a.40.2`, `${h264},opus`, "video/webm;codecs=vp8,opus", "video/webm", "video/mp4"];
  const found = types.find((type) => globalThis.MediaRecorder?.isTypeSupported(type));
  if (!found) throw new Error("this browser records no clips");
  return found;
}

/** A recording of a part of what a video element shows, with the given sound. */
export class Recording {
  private readonly recorder: MediaRecorder;
  private readonly chunks: Blob[] = [];
  private readonly drawing: { stop(): void };
  readonly file: Promise<File>;

  constructor(video: HTMLVideoElement, crop: Crop | null, sound: readonly MediaStreamTrack[]) {
    const canvas = new Canvas(kept(video.videoWidth, video.videoHeight, crop), 1920);
    canvas.draw(video);
    const pictures = canvas.element.captureStream(FRAMES_PER_SECOND);
    this.drawing = eachFrame(video, () => canvas.draw(video));
    const stream = new MediaStream([...pictures.getVideoTracks(), ...sound]);
    const mimeType = recordedType();
    this.recorder = new MediaRecorder(stream, { mimeType, videoBitsPerSecond: BITS_PER_SECOND });
    this.file = new Promise((resolve, reject) => {
      const [type = mimeType] = mimeType.split(";");
      this.recorder.ondataavailable = ({ data }) => this.chunks.push(data);
      this.recorder.onstop = () => resolve(new File(this.chunks, "clip", { type }));
      this.recorder.onerror = () => reject(new Error("the recording failed"));
    });
    this.recorder.start();
  }

  stop(): void {
    this.drawing.stop();
    if (this.recorder.state !== "inactive") this.recorder.stop();
  }

  pause(): void {
    if (this.recorder.state === "recording") this.recorder.pause();
  }

  resume(): void {
    if (this.recorder.state === "paused") this.recorder.resume();
  }
}

/** Call for each new frame that the element shows. */
function eachFrame(video: HTMLVideoElement, act: () => void): { stop(): void } {
  let running = true;
  const next = (again: () => void) =>
    video.requestVideoFrameCallback ? video.requestVideoFrameCallback(again) : requestAnimationFrame(again);
  const frame = () => {
    if (!running) return;
    act();
    next(frame);
  };
  next(frame);
  return {
    stop: () => {
      running = false;
    },
  };
}

interface Cut {
  crop: Crop | null;
  range: Range | null;
  onProgress: (fraction: number) => void;
  signal: AbortSignal;
}

/**
 * A clip that holds nothing but the part that is kept. It is played once from beginning to end and recorded as it is
 * shown, so it takes as long as it is; it stands still while the page is hidden.
 */
export async function cutClip(file: Blob, { crop, range, onProgress, signal }: Cut): Promise<File> {
  const url = URL.createObjectURL(file);
  const video = document.createElement("video");
  const sound = new AudioContext();
  try {
    video.playsInline = true;
    video.src = url;
    await happened(video, "loadeddata");
    const { from, to } = range ?? { from: 0, to: Number.POSITIVE_INFINITY };
    const whole = Number.isFinite(to) ? to : await lengthOf(video);
    video.currentTime = from;
    await happened(video, "seeked");
    const recording = new Recording(video, crop, soundOf(video, sound));
    const watch = () => {
      if (document.hidden) {
        video.pause();
        recording.pause();
      } else {
        recording.resume();
        void video.play();
      }
    };
    document.addEventListener("visibilitychange", watch);
    const playing = eachFrame(video, () => {
      onProgress(Math.min(1, (video.currentTime - from) / (whole - from)));
      if (video.currentTime >= to) video.dispatchEvent(new Event("cut"));
    });
    try {
      await sound.resume();
      await video.play();
      await Promise.race([happened(video, "cut"), happened(video, "ended"), aborted(signal)]);
    } finally {
      document.removeEventListener("visibilitychange", watch);
      playing.stop();
      video.pause();
      recording.stop();
    }
    return await recording.file;
  } finally {
    video.removeAttribute("src");
    URL.revokeObjectURL(url);
    void sound.close();
  }
}

/** The sound of an element as a track that nobody hears; none where the clip has none. */
function soundOf(video: HTMLVideoElement, context: AudioContext): MediaStreamTrack[] {
  const { captureStream } = video as { captureStream?: () => MediaStream };
  if (captureStream?.call(video).getAudioTracks().length === 0) return [];
  const target = context.createMediaStreamDestination();
  context.createMediaElementSource(video).connect(target);
  return target.stream.getAudioTracks();
}

/** How long a clip is, in seconds; recordings of browsers say so only at their end. */
export async function lengthOf(video: HTMLVideoElement): Promise<number> {
  if (video.duration === Number.POSITIVE_INFINITY) {
    video.currentTime = 1e7;
    await happened(video, "seeked");
    const length = Number.isFinite(video.duration) ? video.duration : video.currentTime;
    video.currentTime = 0;
    await happened(video, "seeked");
    return length;
  }
  return video.duration;
}

export function happened(element: HTMLMediaElement, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    element.addEventListener(name, () => resolve(), { once: true });
    element.addEventListener("error", () => reject(element.error ?? new Error("damaged")), { once: true });
  });
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(new DOMException("cancelled", "AbortError"));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  });
}
