/** What one chooses for this browser and for one's account. */
import { useEffect, useState } from "preact/hooks";
import { attempt, say, session, signOut, type Theme, theme } from "../state";
import { type Language, language, languages, speak, t } from "../text";
import { Icon } from "../ui/parts";

export function Settings() {
  const [history, setHistory] = useState<boolean | null>(null);
  const { api } = session.value ?? {};
  useEffect(() => {
    api?.call<{ view_history: boolean }>("GET", "/v1/me/privacy").then(
      (found) => setHistory(found.view_history),
      () => undefined,
    );
  }, [api]);
  return (
    <section>
      <h2>{t("settings")}</h2>
      <div class="settings">
        <label>
          <span>{t("theme")}</span>
          <select
            value={theme.value}
            onChange={(event) => {
              theme.value = event.currentTarget.value as Theme;
            }}
          >
            {(["auto", "light", "dark"] as const).map((each) => (
              <option key={each} value={each}>
                {t(`theme_${each}`)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>{t("language")}</span>
          <select
            value={language.value}
            onChange={(event) => {
              localStorage.setItem("language", event.currentTarget.value);
              void speak(event.currentTarget.value as Language);
            }}
          >
            {languages.map(([code, name]) => (
              <option key={code} value={code}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {history !== null && (
          <label>
            <span>{t("listMe")}</span>
            <input
              type="checkbox"
              role="switch"
              checked={history}
              onChange={async (event) => {
                const view_history = event.currentTarget.checked;
                setHistory(view_history);
                const saved =
                  api?.call("PUT", "/v1/me/privacy", { body: { view_history } }).then(() => true) ??
                  Promise.resolve(null);
                if ((await attempt(saved)) === null) setHistory(!view_history);
                else say(t("saved"));
              }}
            />
          </label>
        )}
        {session.value?.development && (
          <a class="button" href="#/scenes">
            <Icon name="sparkles" /> {t("scenes")}
          </a>
        )}
        <button type="button" class="button" onClick={() => signOut()}>
          <Icon name="log-out" /> {t("signOut")}
        </button>
      </div>
    </section>
  );
}
