import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

/** A view whose script is loaded when it is first shown. */
export function later<Props extends object>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  let loaded: ComponentType<Props> | null = null;
  return function Later(props: Props) {
    const [View, setView] = useState<{ of: ComponentType<Props> } | null>(loaded && { of: loaded });
    useEffect(() => {
      if (View) return;
      void load().then((of) => {
        loaded = of;
        setView({ of });
      });
    }, []);
    return View ? <View.of {...props} /> : <main aria-busy="true" />;
  };
}
