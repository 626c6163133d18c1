/** Sign-in at an OpenID provider: authorization code with PKCE (RFC 7636), tokens in memory alone. A chunk of its own. */
import { Stories } from "stories-client";
import { route, type SignInSettings, say, signInSettings, signOut, start } from "../state";
import { t } from "../text";
import {
  base64url,
  challenge,
  checkIdToken,
  codeOf,
  type Pending,
  type Provider,
  type TokenAnswer,
  Tokens,
} from "./checks";

const PENDING = "oidc.pending";
/** This tab was signed in: after a reload the provider is asked again, without a question to the user. */
const SIGNED_IN = "oidc.in";

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));
const redirectUri = () => location.origin + import.meta.env.BASE_URL;

async function discover({ issuer }: SignInSettings): Promise<Provider> {
  const response = await fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  if (!response.ok) throw new Error(`the provider answers ${response.status}`);
  const provider = (await response.json()) as Provider;
  if (provider.issuer !== issuer) throw new Error("the provider is another issuer");
  return provider;
}

/** Go to the provider. With `silent` it answers at once, whether somebody is signed in there. */
export async function begin(settings: SignInSettings, silent = false): Promise<void> {
  const provider = await discover(settings);
  const pending: Pending = { state: random(), nonce: random(), verifier: random(), route: location.hash };
  sessionStorage.setItem(PENDING, JSON.stringify(pending));
  const query = new URLSearchParams({
    response_type: "code",
    client_id: settings.client_id,
    redirect_uri: redirectUri(),
    scope: settings.scope,
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: await challenge(pending.verifier),
    code_challenge_method: "S256",
    ...(settings.audience && { audience: settings.audience }),
    ...(silent && { prompt: "none" }),
  });
  const address = new URL(provider.authorization_endpoint);
  for (const [name, value] of query) address.searchParams.set(name, value);
  location.assign(address);
}

async function post<T>(address: string, form: Record<string, string>): Promise<T> {
  const response = await fetch(address, { method: "POST", body: new URLSearchParams(form) });
  if (!response.ok) throw new Error(`the provider answers ${response.status}`);
  return (await response.json().catch(() => ({}))) as T;
}

/** The provider sent the browser back: exchange the code, and sign in as whom the API names. */
export async function returned(answer: URLSearchParams): Promise<void> {
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "null") as Pending | null;
  sessionStorage.removeItem(PENDING);
  const silent = sessionStorage.getItem(SIGNED_IN) !== null;
  sessionStorage.removeItem(SIGNED_IN);
  // The code leaves the address and the history before anything else happens.
  history.replaceState(null, "", `${location.pathname}${pending?.route ?? ""}`);
  route.value = location.hash.slice(1) || "/";
  try {
    const settings = await signInSettings();
    if (!settings) throw new Error("no provider is configured");
    const provider = await discover(settings);
    const code = codeOf(answer, pending, provider);
    const { client_id } = settings;
    const ask = (form: Record<string, string>) => post<TokenAnswer>(provider.token_endpoint, { client_id, ...form });
    const verifier = pending?.verifier ?? "";
    const first = await ask({
      grant_type: "authorization_code",
      code,
      redirect_uri: redirectUri(),
      code_verifier: verifier,
    });
    checkIdToken(first.id_token, provider.issuer, client_id, pending?.nonce ?? "", Date.now());
    await signInWith(new Tokens(first, ask), provider, settings);
  } catch (error) {
    const { message } = error as Error;
    if (!silent || !/_required$/.test(message)) say(t("signInFailed", { text: message }));
  }
}

async function signInWith(tokens: Tokens, provider: Provider, { client_id }: SignInSettings): Promise<void> {
  const token = async (refused: boolean) => {
    try {
      return await tokens.current(refused);
    } catch (error) {
      sessionStorage.removeItem(SIGNED_IN);
      signOut(false);
      say(t("signInEnded"));
      throw error;
    }
  };
  const leave = async () => {
    sessionStorage.removeItem(SIGNED_IN);
    const { refreshToken, idToken } = tokens;
    if (provider.revocation_endpoint && refreshToken) {
      await post(provider.revocation_endpoint, { client_id, token: refreshToken }).catch(() => undefined);
    }
    if (!provider.end_session_endpoint) return;
    const address = new URL(provider.end_session_endpoint);
    const query = { client_id, post_logout_redirect_uri: redirectUri(), ...(idToken && { id_token_hint: idToken }) };
    for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
    location.assign(address);
  };
  const me = await new Stories({ baseUrl: location.origin, token: await tokens.current(false) }).call<{
    id: string;
    roles: string[];
  }>("GET", "/v1/me");
  sessionStorage.setItem(SIGNED_IN, "true");
  start(me.id, token, { admin: me.roles.includes("admin"), leave });
}
