import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { EN } from "../src/text";
import { DE } from "../src/text.de";

const source = fileURLToPath(new URL("../src/", import.meta.url));
const code = readdirSync(source, { recursive: true })
  .map(String)
  .filter((name) => /\.tsx?$/.test(name) && !name.startsWith("text"))
  .map((name) => readFileSync(source + name, "utf8"))
  .join("\n");

test("both languages fill in the same values", () => {
  const values = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const key of Object.keys(EN) as (keyof typeof EN)[]) expect(values(DE[key]), key).toEqual(values(EN[key]));
});

test("every text is used", () => {
  const used = (key: string) => code.includes(`"${key}"`) || code.includes(`\`${key.split("_")[0]}_\${`);
  expect(Object.keys(EN).filter((key) => !used(key) && !["everyone", "friends", "nobody"].includes(key))).toEqual([]);
});
