import type { ComponentChildren, ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

/** A view whose script is loaded when it is first shown; until then a page, or for a panel nothing. */
export function lazyView<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
  waiting: ComponentChildren = <main aria-busy="true" />,
): ComponentType<Props> {
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
    return <>{View ? <View.of {...props} /> : waiting}</>;
  };
}
