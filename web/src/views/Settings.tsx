/** What one chooses for this browser and for one's account. */
import { session, signOut, type Theme, theme } from "../state";
import { type Language, language, languages, speak, t } from "../text";
import { useSetting } from "../ui/hooks";
import { Icon } from "../ui/parts";

export function Settings() {
  const [listed, list] = useSetting("/v1/me/privacy", "view_history");
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
        {listed !== null && (
          <label>
            <span>{t("listMe")}</span>
            <input
              type="checkbox"
              role="switch"
              checked={listed}
              onChange={(event) => void list(event.currentTarget.checked)}
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
