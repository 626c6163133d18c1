// Keeps the shell of the client, so that it opens without a network: the page and its hashed scripts, styles and icon.
// Never the API and never media: what is deleted must not live on in a cache. Those requests are not touched at all.
const CACHE = "shell";
const HASHED = /^\/app\/[\w.-]+-[\w-]{8}\.(js|css)$/;
const PAGE = "/app/";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin || request.headers.has("Range")) return;
  if (url.pathname === PAGE && request.mode === "navigate") event.respondWith(page(request));
  else if (HASHED.test(url.pathname)) event.respondWith(hashed(request));
});

/** From the network, and from the cache without one. A new version forgets the files of the one before. */
async function page(request) {
  try {
    const fresh = await fetch(request);
    if (fresh.ok) {
      const known = await (await caches.open(CACHE)).match(PAGE);
      const changed = known && (await known.text()) !== (await fresh.clone().text());
      if (changed) await caches.delete(CACHE);
      await (await caches.open(CACHE)).put(PAGE, fresh.clone());
    }
    return fresh;
  } catch (error) {
    const known = await (await caches.open(CACHE)).match(PAGE);
    if (known) return known;
    throw error;
  }
}

/** A file that is named after its content never changes. */
async function hashed(request) {
  const cache = await caches.open(CACHE);
  const known = await cache.match(request.url);
  if (known) return known;
  const fresh = await fetch(request);
  if (fresh.ok) await cache.put(request.url, fresh.clone());
  return fresh;
}
