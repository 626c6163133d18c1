import type { View } from "./model.ts";

/** Where unsent views are kept: `localStorage` fits. */
export interface ViewStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

export interface ViewQueueOptions {
  /** Sends one batch. Resolves to what to do with it. */
  send: (views: View[], keepalive: boolean) => Promise<"done" | "retry">;
  storage?: ViewStorage | null;
  key?: string;
  /** Milliseconds between a report and the batch that carries it. */
  delay?: number;
}

const BATCH = 100;
const KEPT = 1000;

/**
 * Reports of views, sent in batches, kept while offline. The same `play_id` is one play however often it is sent, so a
 * batch is repeated until it is answered.
 */
export class ViewQueue {
  private readonly waiting = new Map<string, View>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private sending = false;
  private failures = 0;

  constructor(private readonly options: ViewQueueOptions) {
    for (const view of this.stored()) this.merge(view);
    if (this.waiting.size) this.schedule();
  }

  /** Views that are not yet accepted. */
  get size(): number {
    return this.waiting.size;
  }

  /** Report a play, or more of one that was reported before. */
  add(view: View): void {
    this.merge(view);
    this.keep();
    this.schedule();
  }

  /** Send what waits now. With `keepalive` the request outlives the page. */
  async flush(keepalive = false): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    if (!this.waiting.size || (this.sending && !keepalive)) return;
    const batch = [...this.waiting.entries()].slice(0, BATCH);
    const sent = batch.map(([, view]) => view);
    this.sending = true;
    const result = await this.options.send(sent, keepalive).catch(() => "retry" as const);
    this.sending = false;
    if (result === "done") {
      this.failures = 0;
      for (const [key, view] of batch) if (this.waiting.get(key) === view) this.waiting.delete(key);
      this.keep();
      if (this.waiting.size) this.schedule();
    } else {
      this.failures += 1;
      this.schedule(Math.min(60_000, 1000 * 2 ** this.failures) * (0.5 + Math.random() / 2));
    }
  }

  /** Send when the page is hidden or the network is back. Returns how to stop. */
  attach(page: Document, network: EventTarget): () => void {
    const hidden = () => page.visibilityState === "hidden" && void this.flush(true);
    const online = () => void this.flush();
    page.addEventListener("visibilitychange", hidden);
    network.addEventListener("online", online);
    return () => {
      page.removeEventListener("visibilitychange", hidden);
      network.removeEventListener("online", online);
      if (this.timer) clearTimeout(this.timer);
    };
  }

  private merge(view: View): void {
    const key = view.play_id ?? crypto.randomUUID();
    const before = this.waiting.get(key);
    this.waiting.set(
      key,
      before
        ? {
            ...before,
            ...view,
            watched_ms: Math.max(before.watched_ms ?? 0, view.watched_ms ?? 0),
            completed: Boolean(before.completed || view.completed),
          }
        : view,
    );
    for (const oldest of this.waiting.keys()) {
      if (this.waiting.size <= KEPT) break;
      this.waiting.delete(oldest);
    }
  }

  private schedule(ms = this.options.delay ?? 3000): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      void this.flush();
    }, ms);
  }

  private stored(): View[] {
    try {
      const text = this.options.storage?.getItem(this.options.key ?? "stories.views");
      return text ? (JSON.parse(text) as View[]) : [];
    } catch {
      return [];
    }
  }

  private keep(): void {
    try {
      this.options.storage?.setItem(this.options.key ?? "stories.views", JSON.stringify([...this.waiting.values()]));
    } catch {
      // A full or forbidden storage: the queue in memory remains.
    }
  }
}
