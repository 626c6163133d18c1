/** How much script the tray and the player need. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

const built = fileURLToPath(new URL("../../deploy/gateway/app/", import.meta.url));
const files = readdirSync(built);
const size = (name: string) => gzipSync(readFileSync(built + name)).length;

/** The scripts that a page loads before anything is opened: its own, and what those import at once. */
function first(name: string, found = new Set<string>()): Set<string> {
  if (found.has(name)) return found;
  found.add(name);
  const script = readFileSync(built + name, "utf8");
  for (const [, imported] of script.matchAll(/(?:from|import)"\.\/([\w.-]+\.js)"/g)) first(imported as string, found);
  return found;
}

test("tray and player take under 40 kB of compressed script", () => {
  const [, script] = readFileSync(`${built}index.html`, "utf8").match(/src="\/app\/([\w.-]+\.js)"/) ?? [];
  const loaded = [...first(script as string)];
  expect(loaded.map(size).reduce((sum, each) => sum + each, 0)).toBeLessThan(40_000);
  expect(
    loaded.filter((name) => /^(Archive|Camera|Create|Me|Moderation|Profile|Scenes|oidc|text\.)/.test(name)),
  ).toEqual([]);
});

test.each(["Archive", "Camera", "Create", "Moderation", "Scenes", "oidc"])("%s is a chunk of its own", (view) => {
  expect(files.filter((name) => name.startsWith(`${view}-`) && name.endsWith(".js"))).toHaveLength(1);
});

test("everything together fits well into a ConfigMap", () => {
  const bytes = files.map((name) => readFileSync(built + name).length).reduce((sum, each) => sum + each, 0);
  expect(bytes).toBeLessThan(400_000);
});

test("no page carries a script or style of its own", () => {
  const page = readFileSync(`${built}index.html`, "utf8");
  expect(page).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=/);
});
