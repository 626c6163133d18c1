import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Comment, Item } from "stories-client";
import { attempt, collect, explain, say, session, succeeded } from "../state";
import { span, t } from "../text";
import { poll } from "../ui/hooks";
import { Avatar, Empty, IconButton, Sheet } from "../ui/parts";

const SHOWN = 50;
const READ_MS = 3000;

export function Comments({ item, own, onClose }: { item: Item; own: boolean; onClose: () => void }) {
  const { api, user } = session.value ?? {};
  const [comments, setComments] = useState<Comment[] | null>(null);
  const [replies, setReplies] = useState<Record<string, Comment[]>>({});
  const [to, setTo] = useState<Comment | null>(null);
  const field = useRef<HTMLInputElement>(null);

  const read = async () => {
    try {
      setComments(await collect(api?.comments(item), SHOWN));
    } catch (error) {
      say(explain(error));
      setComments((before) => before ?? []);
    }
  };
  const readReplies = async (comment: Comment) => {
    const found = await collect(api?.comments(item, comment.id));
    setReplies((before) => ({ ...before, [comment.id]: found }));
  };
  useEffect(() => poll(read, READ_MS), [item.id]);
  useLayoutEffect(() => field.current?.focus(), [to]);

  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    const input = field.current;
    const text = input?.value.trim();
    if (!input || !text || !(await attempt(api?.comment(item, text, to?.id ?? null)))) return;
    input.value = "";
    if (to) await readReplies(to);
    setTo(null);
    await read();
  };
  const remove = async (comment: Comment) => {
    if (!(await succeeded(api?.deleteComment(comment.id)))) return;
    say(t("commentDeleted"));
    setReplies((before) =>
      Object.fromEntries(Object.entries(before).map(([id, all]) => [id, all.filter((each) => each.id !== comment.id)])),
    );
    await read();
  };
  const one = (comment: Comment, reply = false) => (
    <li key={comment.id} class={reply ? "comment reply" : "comment"}>
      <Avatar user={comment.author_id} size={reply ? 28 : 36} />
      <div class="grow">
        <p>
          <b>{comment.author_id}</b> {comment.text}
        </p>
        <div class="meta">
          <small>{span(Date.now() - Date.parse(comment.created_at))}</small>
          {!reply && item.can.comment && (
            <button type="button" class="quiet" onClick={() => setTo(comment)}>
              {t("reply")}
            </button>
          )}
          {!reply && comment.replies > 0 && !replies[comment.id] && (
            <button type="button" class="quiet" onClick={() => void readReplies(comment)}>
              {t("replies", { n: comment.replies })}
            </button>
          )}
        </div>
        {!reply && replies[comment.id] && <ul>{replies[comment.id]?.map((each) => one(each, true))}</ul>}
      </div>
      {comment.can.delete && (
        <IconButton icon="trash-2" class="small" label={t("deleteComment")} onClick={() => void remove(comment)} />
      )}
    </li>
  );
  return (
    <Sheet title={t("comments")} onClose={onClose}>
      {comments?.length === 0 && <Empty icon="message-circle" title={t("commentsNone")} />}
      <ul class="comments">{comments?.map((each) => one(each))}</ul>
      {(item.can.comment || own) && (
        <form class="write" onSubmit={send}>
          {to && (
            <p class="note">
              {t("replyTo", { name: to.author_id })}
              <IconButton icon="x" class="small" label={t("cancel")} onClick={() => setTo(null)} />
            </p>
          )}
          <div class="write-row">
            <Avatar user={user ?? ""} size={36} />
            <input ref={field} maxLength={500} placeholder={t("addComment")} aria-label={t("addComment")} />
            <IconButton icon="send" label={t("send")} type="submit" class="primary" />
          </div>
        </form>
      )}
    </Sheet>
  );
}
