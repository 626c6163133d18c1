/** Code as a reader writes it compiles against the generated types, and a typo in a field, a value or a parameter does not. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";

const FOLDER = fileURLToPath(new URL("./", import.meta.url));
const EXAMPLE = readFileSync(`${FOLDER}generatedTypesExample.ts`, "utf8");
const CONFIG = `${FOLDER}../tsconfig.json`;

/** What is planted: the right text, the wrong one, and what the compiler's message has to name. */
const TYPOS = {
  "a field of an answer": ["item.ticket }", "item.tickets }", "'tickets'"],
  "a field of a request": ["{ ticket: item.ticket, watched_ms", "{ tickets: item.ticket, watched_ms", "'tickets'"],
  "a value of a request": ['audience: "followers"', 'audience: "follower"', '"follower"'],
  "a problem's type": ['"urn:stories:comments-off"', '"urn:stories:comment-off"', "no overlap"],
  "a parameter": ["path: { user_id:", "path: { id:", "'id'"],
  "a path": ['DELETE("/v1/stories/{story_id}"', 'DELETE("/v1/story/{story_id}"', '"/v1/story/{story_id}"'],
} as const;

/** The compiler's messages on each text. One program for all of them: the generated types are checked once. */
function errors(texts: Map<string, string>): Map<string, string[]> {
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(CONFIG, ts.sys.readFile).config, ts.sys, `${FOLDER}..`);
  const host = ts.createCompilerHost({ ...options, strict: true });
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (name, version) => {
    const text = texts.get(name);
    return text === undefined ? read(name, version) : ts.createSourceFile(name, text, version);
  };
  const program = ts.createProgram([...texts.keys()], { ...options, strict: true }, host);
  return new Map(
    [...texts.keys()].map((name) => {
      const file = program.getSourceFile(name);
      const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
      return [name, found.map((each) => ts.flattenDiagnosticMessageText(each.messageText, "\n"))];
    }),
  );
}

test("the example compiles, and each planted typo is one error that names it", () => {
  const planted = Object.entries(TYPOS).map(([name, [right, wrong]]) => [`${FOLDER}${name}.ts`, EXAMPLE.replace(right, wrong)] as const);
  for (const [name, text] of planted) expect(text, name).not.toBe(EXAMPLE);
  const found = errors(new Map([[`${FOLDER}generatedTypesExample.ts`, EXAMPLE], ...planted]));
  expect(found.get(`${FOLDER}generatedTypesExample.ts`)).toEqual([]);
  for (const [name, [, , named]] of Object.entries(TYPOS)) {
    expect(found.get(`${FOLDER}${name}.ts`), name).toEqual([expect.stringContaining(named)]);
  }
}, 120_000);
