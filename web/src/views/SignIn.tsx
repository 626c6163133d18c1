import { useEffect, useState } from "preact/hooks";
import { attempt, type SignInSettings, say, signIn, signInByName, signInSettings, signInWithToken } from "../state";
import { t } from "../text";
import { fields, Switch } from "../ui/forms";
import { Avatar, Mark } from "../ui/parts";

const NAMES = ["ann", "bob", "carol", "dave"];

export function SignIn() {
  const [byName, setByName] = useState<boolean | null>(null);
  const [provider, setProvider] = useState<SignInSettings | null>(null);
  const [admin, setAdmin] = useState(false);
  useEffect(() => {
    void signInSettings().then(async (found) => {
      setProvider(found);
      setByName(!found && (await signInByName()));
    });
    const handed = (event: MessageEvent) => {
      const { token } = (event.data ?? {}) as { token?: unknown };
      if (event.origin === location.origin && typeof token === "string") signInWithToken(token);
    };
    addEventListener("message", handed);
    return () => removeEventListener("message", handed);
  }, []);
  if (byName === null) return <main class="sign-in" aria-busy="true" />;
  return (
    <main class="sign-in">
      <div class="hero">
        <Mark />
        <h1>{t("welcome")}</h1>
        <p>{t("welcomeHint")}</p>
      </div>
      {provider ? (
        <AtProvider settings={provider} />
      ) : (
        <form
          class="panel stack"
          onSubmit={(event) => {
            const value = fields(event)("who");
            if (!value) return;
            if (byName) void attempt(signIn(value, admin));
            else void attempt((async () => signInWithToken(value))());
          }}
        >
          <h2>{byName ? t("accounts") : t("token")}</h2>
          {byName && (
            <div class="names">
              {NAMES.map((name) => (
                <button key={name} type="button" onClick={() => void attempt(signIn(name, admin))}>
                  <Avatar user={name} size={56} />
                  {name}
                </button>
              ))}
            </div>
          )}
          <label>
            <span class="hidden-text">{byName ? t("name") : t("token")}</span>
            <input
              name="who"
              autocomplete="off"
              autocapitalize="off"
              spellcheck={false}
              placeholder={byName ? t("name") : t("token")}
            />
          </label>
          {byName && <Switch class="switch-row" label={t("asAdmin")} checked={admin} onChange={setAdmin} />}
          <button type="submit" class="button primary">
            {t("signIn")}
          </button>
          <p class="note">{byName ? t("accountsHint") : t("tokenHint")}</p>
          {byName && (
            <p class="note">
              <a class="plain" href="#/scenes">
                {t("scenes")}
              </a>
            </p>
          )}
        </form>
      )}
    </main>
  );
}

function AtProvider({ settings }: { settings: SignInSettings }) {
  const [leaving, setLeaving] = useState(false);
  const leave = async () => {
    setLeaving(true);
    try {
      await (await import("../signin/oidc")).begin(settings);
    } catch (error) {
      setLeaving(false);
      say(t("signInFailed", { text: (error as Error).message }));
    }
  };
  return (
    <section class="panel stack">
      <button type="button" class="button primary" disabled={leaving} onClick={() => void leave()}>
        {t("signIn")}
      </button>
      <p class="note">{t("signInAt", { host: new URL(settings.issuer).host })}</p>
    </section>
  );
}
