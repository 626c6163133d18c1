import { StoriesError } from "./problem.ts";

/** The bearer token, or how to get one. `refused` is true after a 401: get a new one. */
export type Token = string | ((refused: boolean) => string | Promise<string>);
export type Fetch = (request: Request) => Promise<Response>;

const TRIES = 3;
const LONGEST_WAIT_S = 5;

/**
 * `fetch` with a token, and with retries on 503 and lost connections where a repetition is harmless: reads, `PUT`,
 * `DELETE`, and any request with an `Idempotency-Key`.
 */
export function transport(token: Token, inner: Fetch = (request) => globalThis.fetch(request)): Fetch {
  return async (request) => {
    const repeatable = request.method !== "POST" || request.headers.has("Idempotency-Key");
    let refused = false;
    for (let attempt = 1; ; attempt++) {
      const bearer = typeof token === "string" ? token : await token(refused);
      const copy = request.clone();
      if (bearer) copy.headers.set("Authorization", `Bearer ${bearer}`);
      let response: Response | undefined;
      try {
        response = await inner(copy);
      } catch (error) {
        if (request.signal.aborted) throw error;
        if (!repeatable || attempt === TRIES) throw StoriesError.unreachable(error);
      }
      if (response?.status === 401 && !refused && typeof token !== "string") {
        refused = true;
        continue;
      }
      const wait = Number(response?.headers.get("Retry-After") ?? 0.3 * 2 ** attempt);
      if (response && (response.status !== 503 || !repeatable || attempt === TRIES || wait > LONGEST_WAIT_S)) {
        return response;
      }
      await pause((wait || 0.3) * 1000, request.signal);
    }
  };
}

/** Wait, or throw the reason of an abort. */
export function pause(ms: number, signal?: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}
