/** An OpenID provider on loopback for one journey. Its access tokens are the stack's own, made for `AUTH_ISSUER`. */
import { createHash, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { createServer } from "node:http";
import { token } from "./stage.mjs";

export const CLIENT = "stories-web";
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

function idToken(claims) {
  const content = `${encoded({ alg: "ES256", typ: "JWT" })}.${encoded(claims)}`;
  return `${content}.${sign("sha256", Buffer.from(content), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

/** Listens at the issuer's port. `faults` change the next answer; `tokens` are those that were given away. */
export async function provider(issuer, user, redirectUri) {
  const codes = new Map();
  const refreshTokens = new Set();
  const given = { tokens: [], refreshed: 0, revoked: [], ended: 0, signedIn: false, faults: {} };

  const authorize = (query, response) => {
    const back = new URL(query.get("redirect_uri"));
    const wrong =
      query.get("client_id") !== CLIENT ||
      String(back) !== redirectUri ||
      query.get("code_challenge_method") !== "S256" ||
      query.get("response_type") !== "code";
    if (wrong) return response.writeHead(400).end("refused");
    back.searchParams.set("state", given.faults.state ?? query.get("state"));
    back.searchParams.set("iss", issuer);
    if (query.get("prompt") === "none" && !given.signedIn) {
      back.searchParams.set("error", "login_required");
    } else if (query.get("prompt") === "none" || query.has("agreed")) {
      given.signedIn = true;
      const code = randomUUID();
      codes.set(code, { challenge: query.get("code_challenge"), nonce: query.get("nonce") });
      back.searchParams.set("code", code);
    } else {
      query.set("agreed", "yes");
      response.writeHead(200, { "Content-Type": "text/html" });
      return response.end(
        `<h1>Provider</h1><a href="/authorize?${query.toString().replace(/&/g, "&amp;")}">Sign in as ${user}</a>`,
      );
    }
    response.writeHead(302, { Location: String(back) }).end();
  };

  const exchange = async (form) => {
    if (form.get("client_id") !== CLIENT) return null;
    let nonce;
    if (form.get("grant_type") === "refresh_token") {
      if (!refreshTokens.delete(form.get("refresh_token"))) return null;
      given.refreshed++;
    } else {
      const known = codes.get(form.get("code"));
      codes.delete(form.get("code"));
      const challenge = createHash("sha256")
        .update(form.get("code_verifier") ?? "")
        .digest("base64url");
      if (!known || known.challenge !== challenge || form.get("redirect_uri") !== redirectUri) return null;
      nonce = given.faults.nonce ?? known.nonce;
    }
    const refresh_token = randomUUID();
    refreshTokens.add(refresh_token);
    const exp = Math.floor(Date.now() / 1000) + 60;
    const id_token = idToken({ iss: issuer, aud: CLIENT, sub: user, exp, nonce });
    const answer = { access_token: await token(user), token_type: "Bearer", expires_in: 4, refresh_token, id_token };
    given.tokens.push(answer.access_token, refresh_token, id_token);
    return answer;
  };

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, issuer);
    response.setHeader("Access-Control-Allow-Origin", new URL(redirectUri).origin);
    const json = (status, body) => {
      response.writeHead(status, { "Content-Type": "application/json" });
      response.end(JSON.stringify(body));
    };
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    if (url.pathname === "/.well-known/openid-configuration") {
      const endpoints = { authorization: "authorize", token: "token", revocation: "revoke", end_session: "logout" };
      const named = Object.entries(endpoints).map(([name, path]) => [`${name}_endpoint`, `${issuer}/${path}`]);
      return json(200, { issuer, authorization_response_iss_parameter_supported: true, ...Object.fromEntries(named) });
    }
    if (url.pathname === "/authorize") return authorize(url.searchParams, response);
    if (url.pathname === "/token") {
      const answer = await exchange(form);
      return answer ? json(200, answer) : json(400, { error: "invalid_grant" });
    }
    if (url.pathname === "/revoke") {
      refreshTokens.delete(form.get("token"));
      given.revoked.push(form.get("token"));
      return json(200, {});
    }
    if (url.pathname === "/logout") {
      given.ended++;
      given.signedIn = false;
      return response.writeHead(302, { Location: url.searchParams.get("post_logout_redirect_uri") }).end();
    }
    json(404, {});
  });
  await new Promise((resolve) => server.listen(Number(new URL(issuer).port), "127.0.0.1", resolve));
  return Object.assign(given, { close: () => server.close() });
}
