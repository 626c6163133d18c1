/** What a client developer writes after reading the reference, with the generated types alone. `generatedTypes.test.ts` compiles it. */
import createClient from "openapi-fetch";
import type { paths } from "../src/index.ts";

export async function story(baseUrl: string, file: Blob, author: HeadersInit, viewer: HeadersInit): Promise<string[]> {
  const ann = createClient<paths>({ baseUrl, headers: author });
  const bob = createClient<paths>({ baseUrl, headers: viewer });
  const shown: string[] = [];

  await bob.PUT("/v1/following/{user_id}", { params: { path: { user_id: "ann" } } });
  const created = await ann.POST("/v1/stories", {
    body: { media: { content_type: "image/jpeg", size: file.size }, audience: "followers", caption: "first light" },
  });
  if (created.error) throw new Error(created.error.type);
  const { id, upload } = created.data;
  if (!upload) throw new Error("a text story has no form");
  const form = new FormData();
  for (const [name, value] of Object.entries(upload.fields)) form.append(name, value);
  form.append("file", file);
  await fetch(upload.url, { method: upload.method, body: form });

  const path = { story_id: id };
  const published = await ann.POST("/v1/stories/{story_id}/publish", { params: { path, query: { wait: 10 } } });
  if (published.error) {
    if (published.error.type === "urn:stories:media-refused") throw new Error(published.error.reason ?? "refused");
    if (published.error.type === "urn:stories:rate-limited") throw new Error("later");
    throw new Error(published.error.title);
  }
  if (published.data.state === "processing") shown.push(`${Math.round((published.data.progress ?? 0) * 100)} %`);
  else if (published.data.state === "live") shown.push(published.data.expires_at ?? "");

  const tray = await bob.GET("/v1/tray", { params: { query: { limit: 20 } } });
  for (const ring of tray.data?.items ?? []) if (ring.ring === "unseen") shown.push(`${ring.author_id}: ${ring.unseen}`);
  const reel = await bob.GET("/v1/users/{user_id}/stories", { params: { path: { user_id: "ann" } } });
  if (reel.error) throw new Error(reel.error.type);
  const item = reel.data.items.find((each) => each.id === id);
  if (!item) return shown;
  const header = { "Story-Ticket": item.ticket };

  await bob.POST("/v1/views", { body: { views: [{ ticket: item.ticket, watched_ms: 3000, completed: true }] } });
  await bob.PUT("/v1/stories/{story_id}/reaction", { params: { path, header }, body: { emoji: "❤️" } });
  const said = await bob.POST("/v1/stories/{story_id}/comments", { params: { path, header }, body: { text: "beautiful" } });
  if (said.error) {
    if (said.error.type === "urn:stories:comments-off") return shown;
    throw new Error(said.error.detail ?? said.error.title);
  }
  shown.push(said.data.created_at);
  for (const layer of item.layers) {
    if (layer.kind !== "poll") continue;
    const answered = await bob.PUT("/v1/stories/{story_id}/answers/{layer_id}", {
      params: { path: { ...path, layer_id: layer.id }, header },
      body: { option: layer.options.length - 1 },
    });
    shown.push(layer.question, String(answered.data?.tallies?.[0] ?? 0));
  }
  const changed = await ann.PATCH("/v1/stories/{story_id}", { params: { path }, body: { comments: "friends" } });
  if (changed.data?.audience === "followers") shown.push(changed.data.comments);
  await ann.DELETE("/v1/stories/{story_id}", { params: { path } });
  return shown;
}
