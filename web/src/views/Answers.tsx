/** What people answered to a sticker of one's own story. */
import type { Layer } from "stories-client";
import { session } from "../state";
import { useAnswer } from "../ui/hooks";
import { Avatar } from "../ui/parts";
import type { Insights } from "./Charts";
import { t } from "./text";

type Tallies = Insights["answers"][number];
interface Answer {
  user_id: string;
  option: number | null;
  text: string | null;
  at: string;
}

export function Answers({ story, of, layer }: { story: string; of: Tallies; layer?: Layer }) {
  const { api } = session.value ?? {};
  const tallies = of.tallies ?? [];
  const total = tallies.reduce((sum: number, each) => sum + each, 0);
  const query = { layer_id: of.layer_id, limit: 50 };
  const page = useAnswer(
    () => api?.call<{ items: Answer[] }>("GET", `/v1/stories/${story}/answers`, { query }),
    [story, of.layer_id, total],
  );
  const answers = page?.items ?? [];
  const options = layer && "options" in layer ? layer.options : [];
  const title =
    layer && "question" in layer ? layer.question : layer && "prompt" in layer ? layer.prompt : t(`sticker_${of.kind}`);
  return (
    <section class="answers" aria-label={title}>
      <h3>{title}</h3>
      <small>{t("answers", { n: total })}</small>
      {options.map((option, at) => (
        <p
          key={option}
          class="answer-share"
          style={{ "--share": `${total ? ((tallies[at] ?? 0) / total) * 100 : 0}%` }}
        >
          <span>{option}</span>
          <b>{tallies[at] ?? 0}</b>
        </p>
      ))}
      {of.kind !== "promo_code" && answers.length > 0 && (
        <ul class="people">
          {answers.map((each) => (
            <li key={each.user_id}>
              <Avatar user={each.user_id} size={32} />
              <span class="grow">
                <b>{each.user_id}</b>
                <small>{each.text ?? options[each.option ?? -1] ?? ""}</small>
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
