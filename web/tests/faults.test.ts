/** The list of the twenty faults in the README names tests that exist; the player is our own and needs no `eval`. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), "utf8");
const rows = [...read("README.md").matchAll(/^\| (\d+) \| .* \| (.*) \|$/gm)];

test("twenty faults are listed", () => {
  expect(rows.map(([, number]) => Number(number))).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
});

test.each(rows.map(([, number, tests]) => [number, tests ?? ""]))(
  "fault %s has the tests that are listed",
  (_, tests) => {
    const named = [...tests.matchAll(/"([^"]+)" \(([\w./]+)\)/g)];
    expect(named).not.toEqual([]);
    for (const [, title, file] of named) expect(read(`tests/${file}`), `${file}: ${title}`).toContain(`"${title}`);
  },
);

test("the player is built from its own source: no player library, and nothing that is evaluated", () => {
  const { dependencies } = JSON.parse(read("package.json")) as { dependencies: Record<string, string> };
  expect(Object.keys(dependencies).sort()).toEqual(["@preact/signals", "preact", "stories-client"]);
  const built = fileURLToPath(new URL("../../deploy/gateway/app/", import.meta.url));
  for (const file of readdirSync(built).filter((each) => each.endsWith(".js")))
    expect(readFileSync(built + file, "utf8"), file).not.toMatch(/\beval\(|new Function\b/);
});
