/** A story that two people of nobody live through: posted, seen, reacted to, commented on, ended. */
import { type Item, Stories } from "stories-client";
import { attempt, config, tokenFor } from "../state";
import { length } from "./model";

const SHOWN_MS = 5000;
const SHORT_MS = 90_000;
const PAUSE_MS = 900;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function as(user: string): Promise<Stories> {
  const token = await tokenFor(user);
  return new Stories({ baseUrl: location.origin, token: () => token });
}

async function seen(viewer: Stories, author: string, id: string): Promise<Item> {
  for (let tries = 0; tries < 50; tries++) {
    const item = (await viewer.reel(author)).find((each) => each.id === id);
    if (item) return item;
    await pause(100);
  }
  throw new Error("the story does not arrive");
}

export async function playDemoStory(words: string, follow: (id: string) => void): Promise<void> {
  await attempt(play(words, follow));
}

async function play(words: string, follow: (id: string) => void): Promise<void> {
  const name = (first: string) => `${first}-${Math.random().toString(36).slice(2, 6)}`;
  const [author, viewer] = [name("ada"), name("ben")];
  const [ada, ben] = [await as(author), await as(viewer)];
  await ben.setEdge("following", author, true);
  const lifetimes = (config.value ?? (await ada.config())).lifetimes;
  const shortest = [...lifetimes].sort((one, other) => length(one) - length(other))[0] as string;
  const body = {
    media: { background: ["#2A6CFF", "#6B4DFF"], angle: 160 },
    layers: [
      {
        kind: "text",
        text: words,
        font: "strong",
        color: "#FFFFFF",
        background: null,
        align: "center",
        x: 0.5,
        y: 0.45,
        w: 0.8,
        h: 0.2,
        rotation: 0,
        z: 1,
      },
    ],
    audience: "followers",
    lifetime: shortest,
  };
  const upload = ada.upload(null, body as unknown as Parameters<Stories["upload"]>[1]);
  const { id } = await upload.run();
  follow(id);
  const item = await seen(ben, author, id);
  await pause(PAUSE_MS);
  const view = { ticket: item.ticket, play_id: `scenes-${id.slice(-12)}`, watched_ms: 4200, completed: true };
  await ben.call("POST", "/v1/views", { body: { views: [view] } });
  await pause(PAUSE_MS);
  await ben.react(item, "🔥");
  await pause(PAUSE_MS);
  await ben.comment(item, "👏");
  if (length(shortest) <= SHORT_MS) return; // it ends by itself soon enough to be watched
  await pause(SHOWN_MS);
  await ada.delete(id);
}
