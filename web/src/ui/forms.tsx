import type { ComponentChildren } from "preact";
import { t } from "../text";

/** What was written into a form that is sent: the text of each field, trimmed. No page is loaded. */
export function fields(event: SubmitEvent): (name: string) => string {
  event.preventDefault();
  const form = new FormData(event.currentTarget as HTMLFormElement);
  return (name) => String(form.get(name) ?? "").trim();
}

const MINUTE_MS = 60_000;
const MOST_MS = 30 * 24 * 60 * MINUTE_MS;

/** A time to come, at most 30 days ahead, in the time zone of the reader. */
export function TimeField({ from = Date.now() + 60 * MINUTE_MS }: { from?: number }) {
  const local = (time: number) =>
    new Date(time - new Date(time).getTimezoneOffset() * MINUTE_MS).toISOString().slice(0, 16);
  return (
    <label>
      <span>{t("whenAt")}</span>
      <input
        type="datetime-local"
        name="at"
        required
        defaultValue={local(from)}
        min={local(Date.now() + MINUTE_MS)}
        max={local(Date.now() + MOST_MS)}
      />
    </label>
  );
}

interface SelectProps {
  label: string;
  options: readonly (readonly [value: string, text: string])[];
  name?: string;
  value?: string;
  onChange?: (value: string) => void;
}

export function Select({ label, options, name, value, onChange }: SelectProps) {
  return (
    <label>
      <span>{label}</span>
      <select name={name} value={value} onChange={(event) => onChange?.(event.currentTarget.value)}>
        {options.map(([each, text]) => (
          <option key={each} value={each}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

interface SwitchProps {
  label: ComponentChildren;
  class?: string;
  checked: boolean;
  onChange: (on: boolean) => void;
}

export function Switch({ label, class: kind, checked, onChange }: SwitchProps) {
  return (
    <label class={kind}>
      <span>{label}</span>
      <input
        type="checkbox"
        role="switch"
        checked={checked}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
    </label>
  );
}

interface SliderProps {
  label: string;
  min: number;
  max: number;
  step: number;
  value: number;
  onInput: (value: number) => void;
}

export function Slider({ label, onInput, ...rest }: SliderProps) {
  return (
    <label>
      <span>{label}</span>
      <input type="range" {...rest} onInput={(event) => onInput(Number(event.currentTarget.value))} />
    </label>
  );
}
