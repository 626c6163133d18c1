import type { LiveEvent } from "./model.ts";
import { StoriesError } from "./problem.ts";
import { pause } from "./transport.ts";

/** What the server sends while a connection is open. */
export interface Message {
  id: string | null;
  event: string;
  data: string;
  retry: number | null;
}

/** The messages of a `text/event-stream`, comments left out. */
export async function* messages(stream: ReadableStream<Uint8Array>): AsyncGenerator<Message> {
  const reader = stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let text = "";
  let message: Message = { id: null, event: "message", data: "", retry: null };
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      const lines = text.split(/\r\n|\n|\r(?!$)/);
      text = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") {
          if (message.data || message.retry !== null) yield { ...message, data: message.data.replace(/\n$/, "") };
          message = { id: message.id, event: "message", data: "", retry: null };
          continue;
        }
        const [, field, content] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
        if (field === "data") message.data += `${content}\n`;
        else if (field === "event") message.event = content ?? "";
        else if (field === "id") message.id = content ?? null;
        else if (field === "retry") message.retry = Number(content) || null;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/**
 * Follow `GET /v1/live` until `signal` aborts: reconnects and resumes with `Last-Event-ID`. Ends with a StoriesError
 * of status 404 where the server has no live updates; poll the tray then.
 */
export async function* follow(
  open: (lastId: string | null, signal: AbortSignal) => Promise<Response>,
  signal: AbortSignal,
): AsyncGenerator<LiveEvent> {
  let lastId: string | null = null;
  let retry = 2000;
  while (!signal.aborted) {
    try {
      const response = await open(lastId, signal);
      if (!response.ok) throw StoriesError.of(response, await response.json().catch(() => null));
      if (!response.body) throw new StoriesError(0, "unreachable", "No stream");
      for await (const message of messages(response.body)) {
        lastId = message.id ?? lastId;
        retry = message.retry ?? retry;
        if (message.data) yield { event: message.event, data: JSON.parse(message.data) } as LiveEvent;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof StoriesError && error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
    }
    await pause(retry, signal).catch(() => undefined);
  }
}
