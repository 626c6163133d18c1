/** Prints what AsyncAPI's own parser finds in a document: `node asyncapi.cjs docs/asyncapi.yaml`. */
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { Parser } = createRequire(`${process.cwd()}/.venv-api/`)("@asyncapi/parser");

const OFF = {
  "asyncapi-info-contact": "whoever runs an installation is its contact",
  "asyncapi-latest-version": "3.1 has nothing that the document uses",
};

new Parser().parse(readFileSync(process.argv[2], "utf8")).then(({ diagnostics }) => {
  const found = diagnostics.filter(({ code }) => !(code in OFF));
  for (const { code, path, message } of found) console.log(`${code} ${path.join(".")}: ${message}`);
  process.exitCode = found.length ? 1 : 0;
});
