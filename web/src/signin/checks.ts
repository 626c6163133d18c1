/** What a sign-in at an OpenID provider checks and keeps, without page or network. */

export interface Provider {
  issuer: string;
  authorization_endpoint: string;
  token_endpoint: string;
  revocation_endpoint?: string;
  end_session_endpoint?: string;
  authorization_response_iss_parameter_supported?: boolean;
}

/** What is kept while the browser is at the provider: nothing that signs anybody in. */
export interface Pending {
  state: string;
  nonce: string;
  verifier: string;
  /** Where in the client to go on. */
  route: string;
}

export interface TokenAnswer {
  access_token: string;
  id_token?: string;
  refresh_token?: string;
  expires_in?: number;
}

const RENEW_BEFORE_MS = 30_000;
const LEEWAY_S = 30;

export const base64url = (bytes: Uint8Array) =>
  btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");

/** The challenge of a verifier (S256). */
export async function challenge(verifier: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
}

/** What a provider's answer in the address says: the code, if it is the answer to what this tab asked. */
export function codeOf(answer: URLSearchParams, pending: Pending | null, provider: Provider): string {
  if (!pending || answer.get("state") !== pending.state) throw new Error("the answer is to another question");
  const issuer = answer.get("iss"); // RFC 9207: the answer of another provider
  if (issuer === null ? provider.authorization_response_iss_parameter_supported : issuer !== provider.issuer) {
    throw new Error("the answer is of another issuer");
  }
  const code = answer.get("code");
  if (!code) throw new Error(answer.get("error") ?? "no code");
  return code;
}

/** Check an ID token that came from the provider itself over TLS (OpenID Connect Core 3.1.3.7). */
export function checkIdToken(
  token: string | undefined,
  issuer: string,
  client: string,
  nonce: string,
  now: number,
): void {
  const part = token?.split(".")[1];
  if (!part) throw new Error("no ID token");
  const { iss, aud, azp, exp, nonce: said } = JSON.parse(atob(part.replace(/-/g, "+").replace(/_/g, "/"))) as Claims;
  if (iss !== issuer) throw new Error("the ID token is of another issuer");
  const audiences = [aud ?? []].flat();
  if (!audiences.includes(client) || (audiences.length > 1 && azp !== client)) {
    throw new Error("the ID token is for another client");
  }
  if (said !== nonce) throw new Error("the ID token has another nonce");
  if (typeof exp !== "number" || exp + LEEWAY_S < now / 1000) throw new Error("the ID token has ended");
}

interface Claims {
  iss?: string;
  aud?: string | string[];
  azp?: string;
  exp?: number;
  nonce?: string;
}

/** The tokens of a session, renewed half a minute before the access token ends, or when the API refuses it. */
export class Tokens {
  private renewing: Promise<void> | null = null;
  private endsAt = 0;

  constructor(
    private answer: TokenAnswer,
    private readonly ask: (form: Record<string, string>) => Promise<TokenAnswer>,
    private readonly now: () => number = Date.now,
  ) {
    this.take(answer);
  }

  get refreshToken(): string | undefined {
    return this.answer.refresh_token;
  }

  get idToken(): string | undefined {
    return this.answer.id_token;
  }

  /** The access token. Rejects when it has ended and cannot be renewed. */
  async current(refused: boolean): Promise<string> {
    if (refused || this.now() > this.endsAt - RENEW_BEFORE_MS) {
      this.renewing ??= this.renew().finally(() => {
        this.renewing = null;
      });
      await this.renewing;
    }
    return this.answer.access_token;
  }

  private async renew(): Promise<void> {
    const { refresh_token } = this.answer;
    if (!refresh_token) throw new Error("the session has ended");
    this.take(await this.ask({ grant_type: "refresh_token", refresh_token }));
  }

  private take(answer: TokenAnswer): void {
    this.answer = { ...this.answer, ...answer }; // a provider may keep the refresh token as it is
    const lasts = answer.expires_in === undefined ? Number.POSITIVE_INFINITY : answer.expires_in * 1000;
    // One that lasts less than a minute is renewed at half of its life.
    this.endsAt = this.now() + Math.max(lasts, lasts / 2 + RENEW_BEFORE_MS);
  }
}
