/** Eight people with stories, views and comments: `node seed.mjs`. */
import { call, item, post } from "./stage.mjs";

const text = (words, changes = {}) => ({
  kind: "text",
  text: words,
  font: "modern",
  color: "#FFFFFF",
  background: null,
  align: "center",
  x: 0.5,
  y: 0.3,
  w: 0.84,
  h: 0.14,
  rotation: 0,
  z: 1,
  ...changes,
});

const stories = [
  [
    "mia",
    "aurora.jpg",
    {
      caption: "Kp 7 tonight. Worth every frozen finger.",
      layers: [text("03:12, no sleep", { y: 0.2, h: 0.07, font: "neon", color: "#7CFFD4" })],
    },
  ],
  ["tom", "coffee.jpg", { caption: "First pour that looks like something" }],
  [
    "lena",
    "balloons.jpg",
    {
      caption: "Up before the town",
      layers: [
        {
          kind: "poll",
          question: "Which one would you take?",
          options: ["The blue one", "The striped one"],
          x: 0.5,
          y: 0.7,
          w: 0.74,
          h: 0.2,
          z: 2,
        },
        text("5:40 am", { y: 0.17, h: 0.06 }),
      ],
    },
  ],
  ["noah", "city.jpg", { caption: "Last train, best seat" }],
  [
    "zoe",
    "dunes.jpg",
    {
      caption: "Nobody for miles",
      layers: [{ kind: "hashtag", tag: "silence", x: 0.5, y: 0.36, w: 0.5, h: 0.06, z: 1 }],
    },
  ],
  ["carol", "forest.jpg", { caption: "Fog until noon #forest" }],
  [
    "ann",
    "sea.jpg",
    {
      caption: "The first swim of the year",
      layers: [
        text("6 degrees.\nNo regrets.", { y: 0.27, h: 0.15, font: "strong" }),
        { kind: "mention", user_id: "bob", x: 0.5, y: 0.62, w: 0.34, h: 0.05, rotation: -4, z: 2 },
      ],
    },
  ],
  [
    "ann",
    "clip.mp4",
    { caption: "And then this", captions_track: "WEBVTT\n\n00:00.500 --> 00:07.500\nListen. Nothing but the wind.\n" },
  ],
  [
    "ann",
    "dusk.jpg",
    {
      caption: "Good night",
      layers: [
        text("same time tomorrow?", { y: 0.22, h: 0.09, font: "classic" }),
        { kind: "sticker", sticker_id: "🌅", x: 0.72, y: 0.36, w: 0.25, h: 0.14, rotation: 12, z: 3 },
      ],
    },
  ],
  ["ida", "meadow.jpg", { caption: "Golden hour, no filter" }],
  ["omar", "lagoon.jpg", { caption: "Pink for ten minutes" }],
  ["bob", "forest.jpg", { caption: "Found the trail again" }],
];
for (const who of ["ann", "mia", "tom", "lena", "noah", "carol"]) await call("bob", "PUT", `/v1/following/${who}`);
const live = [];
for (const [who, file, choices] of stories) {
  const story = await post(who, file, choices).catch(async (error) => {
    console.error(`${who} ${file}: ${error.message}`);
    return post(who, file, { caption: choices.caption });
  });
  live.push(story);
}
const own = live.at(-1);
for (const [who, emoji, comment] of [
  ["ann", "🔥", "Take me next time!"],
  ["mia", "❤️", "The light in there!"],
  ["tom", null, "Which one is it?"],
  ["lena", "👏", null],
  ["zoe", "😮", null],
]) {
  await call(who, "PUT", "/v1/following/bob");
  const seen = await item(who, "bob", own.id);
  const ticket = { "Story-Ticket": seen.ticket };
  await call(who, "POST", "/v1/views", {
    views: [
      {
        ticket: seen.ticket,
        play_id: `seed-${who}-0001`,
        watched_ms: 4200,
        completed: true,
        taps: { forward: 0, back: 0, exit: 0 },
      },
    ],
  });
  if (emoji) await call(who, "PUT", `/v1/stories/${own.id}/reaction`, { emoji }, ticket);
  if (comment) await call(who, "POST", `/v1/stories/${own.id}/comments`, { text: comment }, ticket);
}
const carol = await item("bob", "carol", live[5].id);
await call("bob", "POST", "/v1/views", {
  views: [{ ticket: carol.ticket, play_id: "seed-bob-0001", watched_ms: 4200, completed: true }],
});
const sea = live[6];
for (const [who, words] of [
  ["mia", "You are mad and I love it"],
  ["tom", "6 degrees is a number, not a temperature"],
  ["lena", "Next week I join you"],
]) {
  const seen = await item(who, "ann", sea.id);
  await call(who, "POST", `/v1/stories/${sea.id}/comments`, { text: words }, { "Story-Ticket": seen.ticket });
  await call(who, "PUT", `/v1/stories/${sea.id}/reaction`, { emoji: "🔥" }, { "Story-Ticket": seen.ticket });
}

// What bob shows again, and what he has planned
await call("bob", "PUT", "/v1/me/archive-settings", { enabled: true });
const { lifetimes } = await call("bob", "GET", "/v1/config");
const kept = [];
for (const [file, caption] of [
  ["alps.jpg", "Above the clouds"],
  ["lagoon.jpg", "Low tide"],
  ["city.jpg", "Late again"],
  ["balloons.jpg", "Up"],
]) {
  kept.push((await post("bob", file, { caption, lifetime: lifetimes.at(-1) })).id);
}
await post(
  "bob",
  "dunes.jpg",
  { caption: "For the weekend" },
  { at: new Date(Date.now() + 2 * 86_400_000).toISOString() },
);
for (let tries = 0; tries < 300; tries++) {
  const { items } = await call("bob", "GET", "/v1/me/archive");
  if (kept.every((id) => items.some((each) => each.id === id))) break;
  await new Promise((resolve) => setTimeout(resolve, 1000));
}
await call("bob", "POST", "/v1/me/highlights", {
  title: "Mountains",
  story_ids: [kept[0], kept[3]],
  cover_story_id: kept[0],
});
await call("bob", "POST", "/v1/me/highlights", {
  title: "City nights",
  story_ids: [kept[2], kept[1]],
  cover_story_id: kept[2],
});

// What was reported
for (const [who, author, id, reason, words] of [
  ["tom", "ida", live[9].id, "spam", "An advert, the third today"],
  ["zoe", "omar", live[10].id, "other", "This is my picture"],
]) {
  const seen = await item(who, author, id);
  await call(who, "POST", `/v1/stories/${id}/reports`, { reason, text: words }, { "Story-Ticket": seen.ticket });
}
console.log(JSON.stringify({ ann: sea.id, own: own.id }));
