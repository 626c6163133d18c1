import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export type Handler = (request: { method: string; url: URL; headers: IncomingMessage["headers"]; body: string }, answer: ServerResponse) => void;

/** A real HTTP server for one test; returns its address. */
export async function serve(handler: Handler): Promise<string> {
  const server = createServer(async (request, answer) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    handler({ method: request.method ?? "", url: new URL(request.url ?? "", "http://x"), headers: request.headers, body }, answer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export function json(answer: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  answer.writeHead(status, { "Content-Type": "application/json", ...headers });
  answer.end(body === undefined ? undefined : JSON.stringify(body));
}

export const problem = (slug: string, status: number) => ({ type: `urn:stories:${slug}`, title: slug, status });
