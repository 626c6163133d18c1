import createClient, { type Client } from "openapi-fetch";
import { follow } from "./live.ts";
import type {
  Comment,
  Config,
  Counts,
  Item,
  LiveEvent,
  OwnStory,
  Page,
  Quota,
  Reactions,
  Receipt,
  StickerAnswer,
  StoryChanges,
  StoryCreate,
  Tray,
  View,
  Viewers,
} from "./model.ts";
import { StoriesError } from "./problem.ts";
import type { paths } from "./schema.d.ts";
import { type Fetch, type Token, transport } from "./transport.ts";
import { type Form, Upload, type UploadProgress, type UploadState } from "./upload.ts";
import { ViewQueue, type ViewQueueOptions } from "./views.ts";

export interface StoriesOptions {
  /** The gateway, without `/v1`. */
  baseUrl: string;
  token: Token;
  fetch?: Fetch;
}

/** An item is renewed if its URLs or its ticket have less than this left. */
const MARGIN_MS = 30_000;

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
interface Sent {
  body?: unknown;
  ticket?: string;
  key?: string;
  headers?: Record<string, string>;
  query?: Record<string, string | number | boolean | undefined | null>;
  signal?: AbortSignal;
  keepalive?: boolean;
}

/** The Stories API. Every method rejects with a `StoriesError` where the server refuses. */
export class Stories {
  /** Every operation of the OpenAPI document, typed. */
  readonly http: Client<paths>;
  private readonly fetch: Fetch;
  private readonly baseUrl: string;
  private readonly etags = new Map<string, { etag: string; body: unknown }>();

  constructor(options: StoriesOptions) {
    this.baseUrl = options.baseUrl.replace(/\/$/, "");
    this.fetch = transport(options.token, options.fetch);
    this.http = createClient<paths>({ baseUrl: this.baseUrl, fetch: this.fetch });
  }

  /** Any call by path, for what the document of this package does not have yet. */
  async call<T>(method: Method, path: string, sent: Sent = {}): Promise<T> {
    const response = await this.response(method, path, sent);
    if (!response.ok) throw StoriesError.of(response, await response.json().catch(() => null));
    const text = await response.text(); // a 204 and some 202 have none
    return (text ? JSON.parse(text) : undefined) as T;
  }

  // Viewing

  /** Repeated calls send the ETag: what has not changed is not transferred again. */
  tray(signal?: AbortSignal): Promise<Tray> {
    return this.cached<Tray>("/v1/tray", { limit: 100 }, signal);
  }

  /** The stories of one author, in playing order. Empty if there is none that the caller may see. */
  async reel(userId: string, signal?: AbortSignal): Promise<Item[]> {
    const path = `/v1/users/${encodeURIComponent(userId)}/stories`;
    const first = await this.cached<Page<Item>>(path, { limit: 100 }, signal);
    const items = [...first.items];
    for (let cursor = first.next_cursor; cursor; ) {
      const page: Page<Item> = await this.call("GET", path, { query: { limit: 100, cursor }, signal });
      items.push(...page.items);
      cursor = page.next_cursor;
    }
    return items;
  }

  /** The first items of up to 20 authors. */
  async reels(userIds: string[], signal?: AbortSignal): Promise<Record<string, Item[]>> {
    const query = { user_ids: userIds.join(",") };
    return (await this.call<{ reels: Record<string, Item[]> }>("GET", "/v1/reels", { query, signal })).reels;
  }

  story(id: string, signal?: AbortSignal): Promise<Item> {
    return this.call("GET", `/v1/stories/${id}`, { signal });
  }

  /** The item with URLs and a ticket that last, or null if it has ended or may no longer be seen. */
  async fresh(item: Item, now = Date.now()): Promise<Item | null> {
    const ends = Math.min(Date.parse(item.urls_expire_at), Date.parse(item.ticket_expires_at));
    const over = Date.parse(item.expires_at);
    if (over <= now) return null;
    if (ends - now > MARGIN_MS || ends >= over) return item;
    return this.renewed(item);
  }

  /** The item read again, or null if it has ended or may no longer be seen. */
  async renewed(item: Item): Promise<Item | null> {
    try {
      return await this.story(item.id);
    } catch (error) {
      if (error instanceof StoriesError && error.status === 404) return null;
      throw error;
    }
  }

  forYou(): AsyncGenerator<Item> {
    return this.pages<Item>("/v1/for-you");
  }

  hashtag(tag: string): AsyncGenerator<Item> {
    return this.pages<Item>(`/v1/hashtags/${encodeURIComponent(tag)}/stories`);
  }

  mentions(): AsyncGenerator<Item> {
    return this.pages<Item>("/v1/me/mentions");
  }

  /** Every item of a list, page by page, as they are asked for. */
  async *pages<T>(path: string, sent: Sent & { limit?: number } = {}): AsyncGenerator<T> {
    let cursor: string | null | undefined;
    do {
      const query = { limit: sent.limit ?? 20, ...sent.query, cursor: cursor ?? undefined };
      const page = await this.call<Page<T>>("GET", path, { ...sent, query });
      yield* page.items;
      cursor = page.next_cursor;
    } while (cursor);
  }

  /** Changes of rings and of one's own stories, until the signal aborts. Status 404: the server has none. */
  live(signal: AbortSignal): AsyncGenerator<LiveEvent> {
    return follow((lastId, inner) => {
      const resume: Record<string, string> = lastId ? { "Last-Event-ID": lastId } : {};
      return this.response("GET", "/v1/live", { headers: { Accept: "text/event-stream", ...resume }, signal: inner });
    }, signal);
  }

  /** A queue of views that sends itself. */
  views(options: Omit<ViewQueueOptions, "send"> = {}): ViewQueue {
    return new ViewQueue({ ...options, send: (views, keepalive) => this.reportViews(views, keepalive) });
  }

  markSeen(userId: string, upTo: string): Promise<void> {
    return this.call("PUT", `/v1/users/${encodeURIComponent(userId)}/seen`, { body: { up_to: upTo } });
  }

  // Engagement: everything about an item needs its ticket; one that has ended is renewed once.

  react(item: Item, emoji: string | null): Promise<void> {
    const path = `/v1/stories/${item.id}/reaction`;
    return emoji === null ? this.call("DELETE", path) : this.withTicket(item, "PUT", path, { body: { emoji } });
  }

  reactions(item: Item): Promise<Reactions> {
    return this.withTicket(item, "GET", `/v1/stories/${item.id}/reactions`);
  }

  counts(item: Item): Promise<Counts> {
    return this.withTicket(item, "GET", `/v1/stories/${item.id}/counts`);
  }

  comment(item: Item, text: string, replyTo: string | null = null): Promise<Comment> {
    const body = { text, reply_to: replyTo };
    return this.withTicket(item, "POST", `/v1/stories/${item.id}/comments`, { body, key: crypto.randomUUID() });
  }

  /** Top comments, newest first; with `replyTo` its replies, oldest first. */
  comments(item: Item, replyTo?: string): AsyncGenerator<Comment> {
    return this.pages(`/v1/stories/${item.id}/comments`, { ticket: item.ticket, query: { reply_to: replyTo } });
  }

  deleteComment(id: string): Promise<void> {
    return this.call("DELETE", `/v1/comments/${id}`);
  }

  async share(item: Item): Promise<string> {
    const path = `/v1/stories/${item.id}/shares`;
    return (await this.withTicket<{ url: string }>(item, "POST", path, { key: crypto.randomUUID() })).url;
  }

  answer(item: Item, layerId: string, answer: { option: number } | { text: string } | { copied: true }) {
    const path = `/v1/stories/${item.id}/answers/${layerId}`;
    return this.withTicket<StickerAnswer>(item, "PUT", path, { body: answer });
  }

  report(item: Item, reason: string, text: string | null = null): Promise<void> {
    return this.withTicket(item, "POST", `/v1/stories/${item.id}/reports`, { body: { reason, text } });
  }

  // Posting, and one's own stories

  /**
   * Post a file. Without a file the body describes a text story. The result has `run`, `pause` and `cancel`; its `state`
   * can be stored and given back after a reload. With `at` the story is scheduled, and goes live at that time.
   */
  upload(
    file: Blob | null,
    choices: Partial<StoryCreate> = {},
    onProgress?: (progress: UploadProgress) => void,
    state?: UploadState,
    at?: Date,
  ): Upload {
    const media = file ? { content_type: file.type, size: file.size } : undefined;
    const body = { ...(media && { media }), ...choices } as StoryCreate;
    return new Upload(
      {
        create: (created, key, signal) =>
          this.call<{ id: string; upload: Form | null }>("POST", "/v1/stories", { body: created, key, signal }),
        form: (id, signal) => this.call("POST", `/v1/stories/${id}/upload`, { signal }),
        publish: (id, signal) =>
          this.call("POST", `/v1/stories/${id}/publish`, at ? { body: { at: at.toISOString() }, signal } : { query: { wait: 10 }, signal }),
        cancel: (id) => this.call("POST", `/v1/stories/${id}/cancel`),
      },
      file,
      body,
      onProgress,
      state,
    );
  }

  mine(state?: string): AsyncGenerator<OwnStory> {
    return this.pages<OwnStory>("/v1/me/stories", { query: { state } });
  }

  ownStory(id: string): Promise<OwnStory> {
    return this.call("GET", `/v1/me/stories/${id}`);
  }

  change(id: string, changes: StoryChanges): Promise<OwnStory> {
    return this.call("PATCH", `/v1/stories/${id}`, { body: changes });
  }

  delete(id: string): Promise<void> {
    return this.call("DELETE", `/v1/stories/${id}`);
  }

  viewers(id: string, cursor?: string | null): Promise<Viewers> {
    return this.call("GET", `/v1/stories/${id}/viewers`, { query: { limit: 100, cursor } });
  }

  receipt(id: string): Promise<Receipt> {
    return this.call("GET", `/v1/stories/${id}/receipt`);
  }

  quota(): Promise<Quota> {
    return this.call("GET", "/v1/me/quota");
  }

  config(): Promise<Config> {
    return this.call("GET", "/v1/config");
  }

  // People

  edges(list: "following" | "followers" | "blocked" | "muted" | "close-friends") {
    return this.pages<{ user_id: string; since: string; notify?: boolean }>(`/v1/${list}`, { limit: 100 });
  }

  /** Follow, block, mute, or add to close friends; `false` undoes it. Repeating changes nothing. */
  setEdge(list: "following" | "blocked" | "muted" | "close-friends", userId: string, on: boolean): Promise<void> {
    return this.call(on ? "PUT" : "DELETE", `/v1/${list}/${encodeURIComponent(userId)}`);
  }

  private response(method: Method, path: string, sent: Sent): Promise<Response> {
    const url = new URL(this.baseUrl + path, globalThis.location?.href);
    for (const [name, value] of Object.entries(sent.query ?? {})) {
      if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
    }
    const headers = new Headers(sent.headers);
    if (sent.body !== undefined) headers.set("Content-Type", "application/json");
    if (sent.ticket) headers.set("Story-Ticket", sent.ticket);
    if (sent.key) headers.set("Idempotency-Key", sent.key);
    const body = sent.body === undefined ? null : JSON.stringify(sent.body);
    const { signal, keepalive } = sent;
    return this.fetch(new Request(url, { method, headers, body, signal: signal ?? null, keepalive: keepalive ?? false }));
  }

  private async cached<T>(path: string, query: NonNullable<Sent["query"]>, signal?: AbortSignal): Promise<T> {
    const known = this.etags.get(path);
    const headers: Record<string, string> = known ? { "If-None-Match": known.etag } : {};
    const response = await this.response("GET", path, { query, headers, signal });
    if (response.status === 304 && known) return known.body as T;
    const body = await response.json().catch(() => null);
    if (!response.ok) throw StoriesError.of(response, body);
    const etag = response.headers.get("ETag");
    if (etag) this.etags.set(path, { etag, body });
    else this.etags.delete(path);
    return body as T;
  }

  private async withTicket<T>(item: Item, method: Method, path: string, sent: Sent = {}): Promise<T> {
    try {
      return await this.call<T>(method, path, { ...sent, ticket: item.ticket });
    } catch (error) {
      if (!(error instanceof StoriesError) || error.type !== "ticket-expired") throw error;
      const again = await this.renewed(item);
      if (!again) throw error;
      Object.assign(item, again);
      return this.call<T>(method, path, { ...sent, ticket: again.ticket });
    }
  }

  private async reportViews(views: View[], keepalive: boolean): Promise<"done" | "retry"> {
    try {
      await this.call("POST", "/v1/views", { body: { views }, keepalive });
      return "done"; // rejected entries are final
    } catch (error) {
      return error instanceof StoriesError && error.status !== 401 && !error.temporary ? "done" : "retry";
    }
  }
}
