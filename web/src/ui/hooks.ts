import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { say, session, succeeded } from "../state";
import { t } from "../text";

export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** The time, anew every so many milliseconds. */
export function useNow(every: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

/** Call now, and every so many milliseconds while the page is seen. Returns how to stop. */
export function poll(act: () => unknown, every: number): () => void {
  void act();
  const timer = setInterval(() => document.hidden || act(), every);
  return () => clearInterval(timer);
}

/**
 * What a call answers, asked again when `given` changes, and every so many milliseconds where that is named. Null until
 * the first answer; a call that fails changes nothing.
 */
export function useAnswer<T>(ask: () => Promise<T> | undefined, given: unknown[], every?: number): T | null {
  const [answer, setAnswer] = useState<T | null>(null);
  useEffect(() => {
    let current = true;
    const read = () => {
      ask()?.then(
        (found) => current && setAnswer(found),
        () => undefined,
      );
    };
    const stop = every ? poll(read, every) : read();
    return () => {
      current = false;
      stop?.();
    };
  }, given);
  return answer;
}

/** A setting of the account that is on or off, and how to change it. Null until it is known. */
export function useSetting(path: string, name: string): [boolean | null, (on: boolean) => Promise<void>] {
  const { api } = session.value ?? {};
  const [chosen, setChosen] = useState<boolean | null>(null);
  const found = useAnswer(() => api?.call<Record<string, boolean>>("GET", path), [api]);
  const choose = async (on: boolean) => {
    setChosen(on);
    if (await succeeded(api?.call("PUT", path, { body: { [name]: on } }))) say(t("saved"));
    else setChosen(!on);
  };
  return [chosen ?? found?.[name] ?? null, choose];
}

/** For a dialog that lies over everything else while it is there. The focus goes back to where it was. */
export function useModal() {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const element = dialog.current;
    const before = document.activeElement as HTMLElement | null;
    element?.showModal();
    return () => {
      element?.close();
      before?.focus?.();
    };
  }, []);
  return dialog;
}
