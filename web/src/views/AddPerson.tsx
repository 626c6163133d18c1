import { go, setFollowing } from "../state";
import { t } from "../text";
import { fields } from "../ui/forms";
import { Sheet } from "../ui/parts";

export function AddPerson({ onClose }: { onClose: () => void }) {
  return (
    <Sheet title={t("followPeople")} onClose={onClose}>
      <form
        class="stack"
        onSubmit={async (event) => {
          const name = fields(event)("name");
          if (!name) return;
          await setFollowing(name, true);
          onClose();
          go("/");
        }}
      >
        <label>
          <span>{t("name")}</span>
          <input name="name" autocomplete="off" autocapitalize="off" spellcheck={false} placeholder={t("followHint")} />
        </label>
        <button type="submit" class="button primary">
          {t("follow")}
        </button>
      </form>
    </Sheet>
  );
}
