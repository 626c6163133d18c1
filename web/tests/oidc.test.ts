/** What a sign-in refuses, and when tokens are renewed. */
import { expect, test } from "vitest";
import { challenge, checkIdToken, codeOf, Tokens } from "../src/signin/checks";

const ISSUER = "https://id.example";
const NOW = 1_800_000_000_000;
const provider = { issuer: ISSUER, authorization_endpoint: "", token_endpoint: "" };
const pending = { state: "s", nonce: "n", verifier: "v", route: "" };
const idToken = (changes = {}) => {
  const claims = { iss: ISSUER, aud: "web", exp: NOW / 1000 + 60, nonce: "n", ...changes };
  return `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.signature`;
};

test("the challenge is the one of RFC 7636, appendix B", async () => {
  expect(await challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")).toBe(
    "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
  );
});

test.each([
  ["state=other&code=c", pending, /another question/],
  ["state=s&code=c", null, /another question/],
  ["state=s&code=c&iss=https://evil.example", pending, /another issuer/],
  ["state=s&error=access_denied", pending, /access_denied/],
])("an answer with %s is refused", (answer, asked, why) => {
  expect(() => codeOf(new URLSearchParams(answer), asked, provider)).toThrow(why);
});

test("a provider that names itself in answers has to", () => {
  const names = { ...provider, authorization_response_iss_parameter_supported: true };
  expect(() => codeOf(new URLSearchParams("state=s&code=c"), pending, names)).toThrow(/another issuer/);
  expect(codeOf(new URLSearchParams(`state=s&code=c&iss=${ISSUER}`), pending, names)).toBe("c");
});

test.each([
  [{ iss: "https://evil.example" }, /another issuer/],
  [{ aud: "other" }, /another client/],
  [{ aud: ["web", "other"] }, /another client/],
  [{ nonce: "other" }, /nonce/],
  [{ nonce: undefined }, /nonce/],
  [{ exp: NOW / 1000 - 31 }, /ended/],
])("an ID token with %j is refused", (changes, why) => {
  expect(() => checkIdToken(idToken(changes), ISSUER, "web", "n", NOW)).toThrow(why);
});

test("a good ID token is taken, with several audiences if it is the party", () => {
  expect(() => checkIdToken(idToken(), ISSUER, "web", "n", NOW)).not.toThrow();
  expect(() => checkIdToken(idToken({ aud: ["web", "api"], azp: "web" }), ISSUER, "web", "n", NOW)).not.toThrow();
});

test("tokens are renewed once before they end, and when the API refuses one", async () => {
  let now = 0;
  let asked = 0;
  const ask = async (form: Record<string, string>) => {
    expect(form).toEqual({ grant_type: "refresh_token", refresh_token: asked === 0 ? "r0" : "r1" });
    asked++;
    return { access_token: `a${asked}`, refresh_token: "r1", expires_in: 300 };
  };
  const tokens = new Tokens({ access_token: "a0", refresh_token: "r0", expires_in: 300 }, ask, () => now);
  expect(await tokens.current(false)).toBe("a0");
  now = 271_000;
  expect(await Promise.all([tokens.current(false), tokens.current(false)])).toEqual(["a1", "a1"]);
  expect(asked).toBe(1);
  expect(await tokens.current(true)).toBe("a2");
});

test("without a refresh token the session ends with the access token", async () => {
  let now = 0;
  const tokens = new Tokens(
    { access_token: "a", expires_in: 300 },
    () => Promise.reject(new Error("asked")),
    () => now,
  );
  expect(await tokens.current(false)).toBe("a");
  now = 300_001;
  await expect(tokens.current(false)).rejects.toThrow("the session has ended");
});
