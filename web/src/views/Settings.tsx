/** What one chooses for this browser and for one's account. */
import { session, signOut, type Theme, theme } from "../state";
import { language, languages, speak, t } from "../text";
import { Select, Switch } from "../ui/forms";
import { useSetting } from "../ui/hooks";
import { Icon } from "../ui/parts";

const THEMES = ["auto", "light", "dark"] as const;

export function Settings() {
  const [listed, list] = useSetting("/v1/me/privacy", "view_history");
  return (
    <section>
      <h2>{t("settings")}</h2>
      <div class="settings">
        <Select
          label={t("theme")}
          options={THEMES.map((each) => [each, t(`theme_${each}`)])}
          value={theme.value}
          onChange={(chosen) => {
            theme.value = chosen as Theme;
          }}
        />
        <Select
          label={t("language")}
          options={languages}
          value={language.value}
          onChange={(chosen) => {
            localStorage.setItem("language", chosen);
            void speak(chosen);
          }}
        />
        {listed !== null && <Switch label={t("listMe")} checked={listed} onChange={list} />}
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
