/** The media of the player: a picture or a clip, and what is loaded ahead. No state of its own but the elements. */
import type { Item } from "stories-client";

export interface MediaEvents {
  ready(): void;
  stalled(): void;
  time(ms: number): void;
  finished(): void;
  /** The media did not load; its URL may have ended. */
  failed(): void;
  /** The browser does not start by itself. */
  refused(): void;
  cue(text: string): void;
}

const CLIPS = 3;

export class Media {
  /** Clips are played by a few elements, so that the permission to play with sound is kept (Safari gives it by element). */
  private readonly clips: HTMLVideoElement[] = [];
  private readonly pictures = new Map<string, HTMLImageElement>();
  private shown: HTMLVideoElement | HTMLImageElement | null = null;
  private stop = new AbortController();
  private muted = true;

  constructor(private readonly stage: HTMLElement) {}

  show(item: Item, events: MediaEvents): void {
    this.clear();
    this.stop = new AbortController();
    if (item.kind === "photo") this.showPicture(item, events);
    else this.showClip(item, events);
  }

  /** Load what comes next: pictures, and the beginning of clips. */
  preload(items: readonly Item[]): void {
    const saving = (navigator as { connection?: { saveData?: boolean } }).connection?.saveData;
    for (const item of items) {
      this.picture(item.kind === "photo" ? item.media_url : item.poster_url);
      if (item.kind === "video" && !saving) this.clip(item);
    }
  }

  play(events: MediaEvents): void {
    const clip = this.shown;
    if (!(clip instanceof HTMLVideoElement)) return;
    clip.play().catch((error: DOMException) => {
      if (this.shown !== clip || error.name === "AbortError") return;
      if (error.name !== "NotAllowedError") return events.failed();
      if (clip.muted) return events.refused();
      clip.muted = true;
      clip.play().catch(() => events.refused());
    });
  }

  pause(): void {
    if (this.shown instanceof HTMLVideoElement) this.shown.pause();
  }

  /** Milliseconds into the clip that is shown; undefined for a picture. */
  position(): number | undefined {
    return this.shown instanceof HTMLVideoElement ? this.shown.currentTime * 1000 : undefined;
  }

  setMuted(muted: boolean): void {
    this.muted = muted;
    for (const clip of this.clips) clip.muted = muted;
  }

  close(): void {
    this.clear();
    for (const clip of this.clips) {
      clip.removeAttribute("src");
      clip.load();
    }
  }

  clear(): void {
    this.stop.abort();
    this.pause();
    this.shown?.remove();
    this.shown = null;
  }

  private showPicture(item: Item, events: MediaEvents): void {
    const picture = this.picture(item.media_url);
    picture.alt = item.alt_text ?? item.caption ?? "";
    this.place(picture);
    picture.decode().then(
      () => this.shown === picture && events.ready(),
      () => {
        this.pictures.delete(item.media_url);
        if (this.shown === picture) events.failed();
      },
    );
  }

  private showClip(item: Item, events: MediaEvents): void {
    const clip = this.clip(item);
    const { signal } = this.stop;
    const on = (name: string, act: () => void) => clip.addEventListener(name, act, { signal });
    clip.setAttribute("aria-label", item.alt_text ?? item.caption ?? "");
    clip.currentTime = 0;
    this.place(clip);
    on("canplay", events.ready);
    on("playing", events.ready);
    on("waiting", events.stalled);
    on("timeupdate", () => events.time(clip.currentTime * 1000));
    on("ended", events.finished);
    on("error", events.failed);
    if (clip.error) events.failed();
    else if (clip.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA) events.ready();
    if (item.captions_track) this.caption(clip, item.captions_track, events, signal);
  }

  private caption(clip: HTMLVideoElement, text: string, events: MediaEvents, signal: AbortSignal): void {
    const url = URL.createObjectURL(new Blob([text], { type: "text/vtt" }));
    const element = document.createElement("track");
    element.src = url;
    clip.append(element);
    element.track.mode = "hidden"; // read, not drawn: the player draws cues above its controls
    element.track.addEventListener("cuechange", () => {
      const cues = [...(element.track.activeCues ?? [])] as VTTCue[];
      events.cue(cues.map((cue) => cue.text.replace(/<[^>]*>/g, "")).join("\n"));
    });
    signal.addEventListener("abort", () => {
      element.remove();
      URL.revokeObjectURL(url);
    });
  }

  private place(element: HTMLVideoElement | HTMLImageElement): void {
    this.shown = element;
    this.stage.prepend(element);
  }

  private picture(url: string): HTMLImageElement {
    let picture = this.pictures.get(url);
    if (!picture) {
      picture = new Image();
      picture.draggable = false;
      picture.decoding = "async";
      picture.src = url;
      this.pictures.set(url, picture);
      const [oldest] = this.pictures.keys();
      if (this.pictures.size > 12 && oldest) this.pictures.delete(oldest);
    }
    return picture;
  }

  /** The element of a story: the one that has loaded it, else the one that was used longest ago. */
  private clip(item: Item): HTMLVideoElement {
    let clip = this.clips.find((each) => each.dataset.story === item.id);
    if (!clip && this.clips.length >= CLIPS) clip = this.clips.find((each) => each !== this.shown);
    clip ??= document.createElement("video");
    if (this.clips.includes(clip)) this.clips.splice(this.clips.indexOf(clip), 1);
    this.clips.push(clip);
    if (clip.dataset.story !== item.id || clip.error) {
      clip.dataset.story = item.id;
      clip.muted = this.muted; // before the source, or some browsers refuse to start
      clip.playsInline = true;
      clip.preload = "auto";
      clip.disablePictureInPicture = true;
      clip.src = item.media_url;
    }
    return clip;
  }
}
