import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const GATEWAY = process.env.STORIES_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  base: "/app/",
  resolve: {
    alias: { "stories-client": fileURLToPath(new URL("../clients/typescript/src/index.ts", import.meta.url)) },
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: process.env.OUT ?? "../deploy/gateway/app",
    emptyOutDir: true,
    assetsDir: "",
    assetsInlineLimit: 0,
    target: "es2022",
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/v1": GATEWAY, "/dev": GATEWAY } },
  test: { include: ["tests/*.test.{ts,tsx}"] },
});
