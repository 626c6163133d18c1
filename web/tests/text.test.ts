import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ARCHIVE } from "../src/archive/text";
import { CAPTURE } from "../src/capture/text";
import { MODERATION } from "../src/moderation/text";
import { PANELS } from "../src/player/text";
import { SCENES } from "../src/scenes/text";
import { EN } from "../src/text";
import { DE } from "../src/text.de";
import { ACTIVITY } from "../src/views/text";

const source = fileURLToPath(new URL("../src/", import.meta.url));
const code = readdirSync(source, { recursive: true })
  .map(String)
  .filter((name) => /\.tsx?$/.test(name) && !/(^|\/)text/.test(name))
  .map((name) => readFileSync(source + name, "utf8"))
  .join("\n");

test("both languages fill in the same values", () => {
  const values = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const key of Object.keys(EN) as (keyof typeof EN)[]) expect(values(DE[key]), key).toEqual(values(EN[key]));
});

const used = (key: string) => code.includes(`"${key}"`) || code.includes(`\`${key.split("_")[0]}_\${`);

test.each([
  ["archive", ARCHIVE],
  ["capture", CAPTURE],
  ["scenes", SCENES],
  ["moderation", MODERATION],
  ["player", PANELS],
  ["views", ACTIVITY],
])("texts of %s have the same values in both languages, and are used", (_, { en, de }) => {
  const values = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const [key, text] of Object.entries(de)) expect(values(text), key).toEqual(values(en[key as keyof typeof en]));
  expect(Object.keys(en).filter((key) => !used(key))).toEqual([]);
});

test("every text is used", () => {
  expect(Object.keys(EN).filter((key) => !used(key) && !["everyone", "friends", "nobody"].includes(key))).toEqual([]);
});
