/** Share a story: by what the device offers, else as a link that is copied. */
import type { Item } from "stories-client";
import { attempt, say, session } from "../state";
import { t } from "../text";

export async function share(item: Item): Promise<void> {
  const { api } = session.peek() ?? {};
  const url = api && (await attempt(api.share(item)));
  if (!url) return;
  if (navigator.share && matchMedia("(pointer: coarse)").matches) await navigator.share({ url }).catch(() => undefined);
  else
    await navigator.clipboard.writeText(url).then(
      () => say(t("copied")),
      () => say(url),
    );
}
