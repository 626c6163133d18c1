/**
 * Posts a photo as one user and watches it as another, against `make up`:
 *
 *     STORIES_ANN=$(.venv/bin/stories token ann) STORIES_BOB=$(.venv/bin/stories token bob) \
 *         npm run example -w clients/typescript -- photo.jpg
 */
import { readFile } from "node:fs/promises";
import { Stories } from "stories-client";

const baseUrl = process.env.STORIES_URL ?? "http://127.0.0.1:8080";
const ann = new Stories({ baseUrl, token: process.env.STORIES_ANN ?? "" });
const bob = new Stories({ baseUrl, token: process.env.STORIES_BOB ?? "" });
const file = new Blob([await readFile(process.argv[2] ?? "photo.jpg")], { type: "image/jpeg" });

await bob.setEdge("following", "ann", true);

const upload = ann.upload(file, { caption: "first light" }, ({ stage, fraction }) => {
  console.log(`${stage} ${Math.round(fraction * 100)} %`);
});
const story = await upload.run();
console.log(`live until ${story.expires_at}`);

let item = (await bob.reel("ann")).find((each) => each.id === story.id);
for (let tries = 0; !item && tries < 20; tries++) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  item = (await bob.reel("ann")).find((each) => each.id === story.id);
}
if (!item) throw new Error("bob does not see the story");
const media = await fetch(item.media_url);
console.log(`bob sees ${item.width}×${item.height}, ${(await media.arrayBuffer()).byteLength} bytes`);

const views = bob.views();
views.add({ ticket: item.ticket, play_id: crypto.randomUUID(), watched_ms: 3000, completed: true });
await views.flush();
await bob.react(item, "❤️");
await bob.comment(item, "beautiful");

for (let tries = 0; tries < 30 && (await ann.viewers(story.id)).total === 0; tries++) {
  await new Promise((resolve) => setTimeout(resolve, 100));
}
console.log("ann's viewers", (await ann.viewers(story.id)).items);

await ann.delete(story.id);
console.log("deleted; bob's reel:", (await bob.reel("ann")).map((each) => each.id).includes(story.id) ? "still there" : "gone");

let receipt = await ann.receipt(story.id);
for (let tries = 0; !receipt.complete && tries < 100; tries++) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  receipt = await ann.receipt(story.id);
}
console.log(receipt.complete ? `erased at ${receipt.completed_at}` : "not erased in time");
