/** A refusal of the API (RFC 9457), as an exception. */
export class StoriesError extends Error {
  override readonly name = "StoriesError";

  constructor(
    /** HTTP status; 0 if there was no answer. */
    readonly status: number,
    /** The slug of `urn:stories:<slug>`. */
    readonly type: string,
    title: string,
    readonly detail: string | null = null,
    /** Why an upload was refused. */
    readonly reason: string | null = null,
    /** Seconds to wait before the next try, where the server says so. */
    readonly retryAfter: number | null = null,
    readonly requestId: string | null = null,
  ) {
    super(detail ? `${title}: ${detail}` : title);
  }

  /** Whether the same request may succeed later. */
  get temporary(): boolean {
    return this.status === 0 || this.status === 429 || this.status === 503;
  }

  static of(response: Response, body: unknown): StoriesError {
    const problem = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
    const text = (name: string) => (typeof problem[name] === "string" ? (problem[name] as string) : null);
    const wait = Number(response.headers.get("Retry-After") ?? Number.NaN);
    return new StoriesError(
      response.status,
      text("type")?.replace("urn:stories:", "") ?? "unknown",
      text("title") ?? `HTTP ${response.status}`,
      text("detail"),
      text("reason"),
      Number.isFinite(wait) ? wait : null,
      response.headers.get("X-Request-Id"),
    );
  }

  static unreachable(cause: unknown): StoriesError {
    const error = new StoriesError(0, "unreachable", "No answer");
    error.cause = cause;
    return error;
  }
}
