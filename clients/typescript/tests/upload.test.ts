import { expect, test } from "vitest";
import { Stories, StoriesError, type UploadProgress } from "../src/index.ts";
import { json, problem, serve } from "./server.ts";

interface Options {
  failUpload?: number;
  refuse?: string;
}

async function ingest({ failUpload = 0, refuse }: Options = {}) {
  const calls: string[] = [];
  let published = 0;
  const baseUrl: string = await serve(({ method, url, headers, body }, answer) => {
    calls.push(`${method} ${url.pathname}`);
    const form = { method: "POST", url: `${baseUrl}/bucket`, fields: { key: "staging/1" }, expires_at: "" };
    if (url.pathname === "/v1/stories") {
      expect(headers["idempotency-key"]).toBeTruthy();
      return json(answer, 201, { id: "s1", state: "draft", upload: JSON.parse(body).media.background ? null : form });
    }
    if (url.pathname === "/bucket") {
      expect(body.indexOf('name="key"')).toBeLessThan(body.indexOf('name="file"'));
      answer.writeHead(failUpload-- > 0 ? 500 : 204).end();
      return;
    }
    if (url.pathname.endsWith("/upload")) return json(answer, 200, form);
    if (url.pathname.endsWith("/publish")) {
      if (refuse) return json(answer, 422, { ...problem("media-refused", 422), reason: refuse });
      published++;
      return json(answer, published > 1 ? 200 : 202, { id: "s1", state: published > 1 ? "live" : "processing", progress: 0.5 });
    }
    answer.writeHead(204).end();
  });
  return { stories: new Stories({ baseUrl, token: "t" }), calls };
}
const photo = new Blob(["photo"], { type: "image/jpeg" });

test("a file becomes a live story, with progress", async () => {
  const { stories, calls } = await ingest();
  const seen: UploadProgress[] = [];
  const story = await stories.upload(photo, { caption: "hello" }, (progress) => seen.push(progress)).run();
  expect(story).toMatchObject({ id: "s1", state: "live" });
  expect([...new Set(seen.map((each) => each.stage))]).toEqual(["new", "uploading", "processing", "live"]);
  expect(seen).toContainEqual({ stage: "processing", fraction: 0.5 });
  expect(calls.filter((each) => each.endsWith("/publish"))).toHaveLength(2);
});

test("an interrupted upload goes on with a fresh form of the same draft", async () => {
  const { stories, calls } = await ingest({ failUpload: 1 });
  const upload = stories.upload(photo);
  await expect(upload.run()).rejects.toMatchObject({ type: "upload-failed" });
  const after = stories.upload(photo, {}, undefined, JSON.parse(JSON.stringify(upload.state)));
  expect((await after.run()).state).toBe("live");
  expect(calls.filter((each) => each === "POST /v1/stories")).toHaveLength(1);
  expect(calls).toContain("POST /v1/stories/s1/upload");
});

test("a refused file says why", async () => {
  const { stories } = await ingest({ refuse: "too_long" });
  const seen: string[] = [];
  const upload = stories.upload(photo, {}, ({ stage }) => seen.push(stage));
  await expect(upload.run()).rejects.toSatisfy((error: StoriesError) => error.reason === "too_long");
  expect(seen.at(-1)).toBe("refused");
});

test("cancelling removes the draft", async () => {
  const { stories, calls } = await ingest({ failUpload: 1 });
  const upload = stories.upload(photo);
  await upload.run().catch(() => undefined);
  await upload.cancel();
  expect(calls.at(-1)).toBe("POST /v1/stories/s1/cancel");
});

test("a text story needs no upload", async () => {
  const { stories, calls } = await ingest();
  const media = { background: "#101010" } as never;
  expect((await stories.upload(null, { media }).run()).state).toBe("live");
  expect(calls).not.toContain("POST /bucket");
});
