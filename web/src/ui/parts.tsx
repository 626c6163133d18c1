import type { ComponentChildren, JSX } from "preact";
import { toast } from "../state";
import { t } from "../text";
import { useModal } from "./hooks";
import { ICONS, type IconName } from "./icons";

export function Icon({ name, filled = false }: { name: IconName; filled?: boolean }) {
  return (
    <svg class={filled ? "icon filled" : "icon"} viewBox="0 0 24 24" aria-hidden="true">
      <path d={ICONS[name]} />
    </svg>
  );
}

type ButtonProps = JSX.IntrinsicElements["button"] & {
  icon: IconName;
  label: string;
  filled?: boolean;
  pressed?: boolean;
  disabled?: boolean;
};

export function IconButton({ icon, label, filled, pressed, class: kind, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      class={`icon-button ${kind ?? ""}`}
      aria-label={label}
      title={label}
      aria-pressed={pressed}
      {...rest}
    >
      <Icon name={icon} filled={filled} />
    </button>
  );
}

interface EmojiProps {
  of: readonly string[];
  /** The one that is chosen; undefined where none can be. */
  mine?: string | null;
  onPick: (emoji: string) => void;
}

export function EmojiButtons({ of, mine, onPick }: EmojiProps) {
  return (
    <>
      {of.map((emoji) => (
        <button
          key={emoji}
          type="button"
          aria-label={emoji}
          aria-pressed={mine === undefined ? undefined : mine === emoji}
          onClick={() => onPick(emoji)}
        >
          {emoji}
        </button>
      ))}
    </>
  );
}

/** A person without a picture: a letter on a colour of their own. */
export function Avatar({ user, size = 40 }: { user: string; size?: number }) {
  const hue = [...user].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);
  return (
    <span
      class="avatar"
      aria-hidden="true"
      data-letter={[...user][0]?.toUpperCase()}
      style={{ "--hue": String(hue), width: `${size}px`, height: `${size}px`, fontSize: `${size * 0.42}px` }}
    />
  );
}

/** An avatar in the ring of its state. */
export function RingAvatar({ user, ring, size }: { user: string; ring: string; size: number }) {
  return (
    <span class={`ring ${ring}`}>
      <Avatar user={user} size={size} />
    </span>
  );
}

interface SheetProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

/** A panel that comes from below (from the middle on wide screens). Escape and the background close it. */
export function Sheet({ title, onClose, children }: SheetProps) {
  const dialog = useModal();
  return (
    <dialog
      ref={dialog}
      class="sheet"
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        event.stopPropagation();
        onClose();
      }}
      onKeyDown={(event) => event.stopPropagation()}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div class="sheet-body">
        <div class="sheet-head">
          <h2>{title}</h2>
          <IconButton icon="x" label={t("close")} onClick={onClose} />
        </div>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  hint: string;
  action: string;
  busy?: boolean;
  onConfirm: () => void;
  onClose: () => void;
}

/** A question before something that cannot be undone. */
export function Confirm({ title, hint, action, busy = false, onConfirm, onClose }: ConfirmProps) {
  return (
    <Sheet title={title} onClose={onClose}>
      <p class="note">{hint}</p>
      <div class="choices">
        <button type="button" class="button" onClick={onClose}>
          {t("cancel")}
        </button>
        <button type="button" class="button danger" disabled={busy} onClick={onConfirm}>
          {action}
        </button>
      </div>
    </Sheet>
  );
}

/** The last message. It is shown anew each time, so that it lies above every dialog. */
export function Toast() {
  const shown = toast.value;
  return (
    <div role="status" class="toasts">
      {shown && (
        <div key={shown.id} class="toast" popover="manual" ref={(element) => element?.showPopover?.()}>
          {shown.text}
        </div>
      )}
    </div>
  );
}

interface EmptyProps {
  icon: IconName;
  title: string;
  hint?: string;
  children?: ComponentChildren;
}

/** What stands where a list has nothing. */
export function Empty({ icon, title, hint, children }: EmptyProps) {
  return (
    <div class="empty">
      <span class="empty-icon">
        <Icon name={icon} />
      </span>
      <h3>{title}</h3>
      <p>{hint}</p>
      {children}
    </div>
  );
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 64 64" aria-hidden="true">
      <defs>
        <linearGradient id="mark" x1="0" y1="0" x2="1" y2="1">
          <stop stop-color="#16c7ff" />
          <stop offset=".55" stop-color="#2a6cff" />
          <stop offset="1" stop-color="#6b4dff" />
        </linearGradient>
      </defs>
      <circle cx="32" cy="32" r="27" fill="none" stroke="url(#mark)" stroke-width="7" stroke-dasharray="76 9" />
      <path fill="url(#mark)" d="M27 21.5a2 2 0 0 1 3-1.7l15 10.5a2 2 0 0 1 0 3.4l-15 10.5a2 2 0 0 1-3-1.7z" />
    </svg>
  );
}
