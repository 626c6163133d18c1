/** Names for what the API takes and answers, derived from the OpenAPI document. */
import type { paths } from "./schema.d.ts";

type Json<T> = T extends { content: { "application/json": infer Body } } ? Body : never;
type Answer<O, Status extends number> = O extends { responses: infer R } ? Json<R[Status & keyof R]> : never;
type Body<O> = O extends { requestBody?: infer B } ? Json<NonNullable<B>> : never;

export type StoryCreate = Body<paths["/v1/stories"]["post"]>;
export type StoryChanges = Body<paths["/v1/stories/{story_id}"]["patch"]>;
export type Draft = Answer<paths["/v1/stories"]["post"], 201>;
/** A story as its author sees it, in any state. */
export type OwnStory = Answer<paths["/v1/me/stories/{story_id}"]["get"], 200>;
/** A story as a viewer gets it. `layers` are those of `Layer`. */
export type Item = Omit<Answer<paths["/v1/stories/{story_id}"]["get"], 200>, "layers"> & {
  layers: Layer[];
  /** Newer fields; absent on older servers. */
  ticket_expires_at?: string;
  captions_url?: string | null;
  preview?: { blurhash: string; color: string } | null;
  reposted_from?: { story_id: string; author_id: string } | null;
};
export type Tray = Answer<paths["/v1/tray"]["get"], 200>;
export type Ring = Tray["items"][number];
export type Quota = Answer<paths["/v1/me/quota"]["get"], 200>;
export type Config = Answer<paths["/v1/config"]["get"], 200>;
export type Counts = Answer<paths["/v1/stories/{story_id}/counts"]["get"], 200>;
export type Reactions = Answer<paths["/v1/stories/{story_id}/reactions"]["get"], 200>;
export type Comment = Answer<paths["/v1/stories/{story_id}/comments"]["post"], 201>;
export type Viewers = Answer<paths["/v1/stories/{story_id}/viewers"]["get"], 200>;
export type Receipt = Answer<paths["/v1/stories/{story_id}/receipt"]["get"], 200>;
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

/** The answer to a poll, a quiz or a question. */
export interface StickerAnswer {
  mine: { option?: number; text?: string; copied?: boolean } | number | string | null;
  tallies: number[] | null;
  correct?: number | null;
}

/** A message of `GET /v1/live`. */
export type LiveEvent =
  | { event: "ring"; data: { author_id: string; ring: "unseen" | "seen" | "none" } }
  | { event: "story"; data: { id: string; state: string } }
  | { event: "reset"; data: unknown };

export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}
