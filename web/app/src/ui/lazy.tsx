import { h, type ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";

/** A component that is fetched when it is first shown; nothing until it is there. */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let loaded: ComponentType<P> | undefined;
  return function Lazy(props: P) {
    const here = useSignal(loaded !== undefined);
    useEffect(() => {
      if (loaded !== undefined) return;
      let wanted = true;
      load().then(
        (c) => {
          loaded = c;
          if (wanted) here.value = true;
        },
        () => {}, // without a connection it cannot be fetched; it is tried again when it is opened again
      );
      return () => {
        wanted = false;
      };
    }, []);
    return here.value && loaded !== undefined ? h(loaded as ComponentType<object>, props) : null;
  };
}
