/** Names for what the API takes and answers, derived from the OpenAPI document. */
import type { paths } from "./schema.d.ts";

type Json<T> = T extends { content: { "application/json": infer Body } } ? Body : never;
type Answer<O, Status extends number> = O extends { responses: infer R } ? Json<R[Status & keyof R]> : never;
type Body<O> = O extends { requestBody?: infer B } ? Json<NonNullable<B>> : never;

/** What `GET` of a path answers. */
export type Get<Path extends keyof paths> = Answer<paths[Path]["get"], 200>;

export type StoryCreate = Body<paths["/v1/stories"]["post"]>;
export type StoryChanges = Body<paths["/v1/stories/{story_id}"]["patch"]>;
export type Draft = Answer<paths["/v1/stories"]["post"], 201>;
/** A story as its author sees it, in any state. */
export type OwnStory = Get<"/v1/me/stories/{story_id}">;
/** A story as a viewer gets it. `layers` are those of `Layer`. */
export type Item = Omit<Get<"/v1/stories/{story_id}">, "layers"> & { layers: Layer[] };
export type Tray = Get<"/v1/tray">;
export type Ring = Tray["items"][number];
export type Quota = Get<"/v1/me/quota">;
export type Config = Get<"/v1/config">;
export type Counts = Get<"/v1/stories/{story_id}/counts">;
export type Reactions = Get<"/v1/stories/{story_id}/reactions">;
export type Comment = Answer<paths["/v1/stories/{story_id}/comments"]["post"], 201>;
export type Viewers = Get<"/v1/stories/{story_id}/viewers">;
export type Receipt = Get<"/v1/stories/{story_id}/receipt">;
export type View = Body<paths["/v1/views"]["post"]>["views"][number];

interface Frame {
  id?: string;
  /** Centre of the layer and its size, from 0 to 1 of the picture. */
  x: number;
  y: number;
  w: number;
  h: number;
  /** Degrees, clockwise. */
  rotation?: number;
  z?: number;
}

/** What is drawn over a picture. Kinds that a client does not know are left out. */
export type Layer = Frame &
  (
    | {
        kind: "text";
        text: string;
        font?: "classic" | "modern" | "neon" | "typewriter" | "strong";
        color?: string | null;
        background?: string | null;
        align?: "left" | "center" | "right";
      }
    | { kind: "caption"; text: string }
    | { kind: "sticker"; sticker_id: string }
    | { kind: "mention"; user_id: string }
    | { kind: "hashtag"; tag: string }
    | { kind: "link"; url: string; title?: string | null }
    | { kind: "poll" | "quiz"; question: string; options: string[]; correct?: number }
    | { kind: "question"; prompt: string }
    | { kind: "promo_code"; code: string; terms?: string | null; url?: string | null }
    | { kind: "music"; title: string; artist: string; sound_id?: string | null; start_ms?: number; length_ms?: number }
    | { kind: "effect"; name: string; intensity?: number }
  );

/** What was answered to a sticker, and how often each option was. */
export type StickerAnswer = Answer<paths["/v1/stories/{story_id}/answers/{layer_id}"]["put"], 200>;

/** A message of `GET /v1/live`. */
export type LiveEvent =
  | { event: "ring"; data: { author_id: string; ring: "unseen" | "seen" | "none" } }
  | { event: "story"; data: { id: string; state: string } }
  | { event: "reset"; data: unknown };

export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}
