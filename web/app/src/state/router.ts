// Where the user is. In a page of its own that is the address behind `#`, so that
// back and forward work; inside another page it is kept here, and that page's
// address is left alone.

import { signal, type ReadonlySignal } from "@preact/signals";
import { validUser } from "../format/user.ts";

export type Panel = "info" | "settings" | "new";

export interface Route {
  /** The open conversation. */
  readonly conv?: string;
  /** The open conversation, by its user: it may have no message yet. */
  readonly peer?: string;
  readonly panel?: Panel;
}

export interface Router {
  readonly route: ReadonlySignal<Route>;
  go(to: Route, how?: "push" | "replace"): void;
  /** One step back; to `or` if there is none. */
  back(or: Route): void;
  stop(): void;
}

const panels: readonly string[] = ["info", "settings", "new"] satisfies Panel[];

/** Reads what `format` writes; what makes no sense leads to the list. */
export function parseRoute(path: string): Route {
  const [kind = "", id = "", panel = ""] = path.replace(/^#?\/?/, "").split("/");
  const open = (name: string) => (panels.includes(name) ? { panel: name as Panel } : {});
  let name: string;
  try {
    name = decodeURIComponent(id);
  } catch {
    return {};
  }
  if (kind === "c" && /^[dg]_[a-z0-9]{16,40}$/.test(name)) return { conv: name, ...open(panel) };
  if (kind === "u" && validUser(name)) return { peer: name, ...open(panel) };
  return open(kind);
}

export function formatRoute(r: Route): string {
  const at = r.conv !== undefined ? `/c/${r.conv}` : r.peer !== undefined ? `/u/${encodeURIComponent(r.peer)}` : "";
  return `#${at}${r.panel === undefined ? "" : `/${r.panel}`}` || "#";
}

/** The router of a page that is Parley's alone. */
export function pageRouter(window: Window): Router {
  const route = signal(parseRoute(window.location.hash));
  let depth = 0;
  const read = () => {
    const kept: unknown = window.history.state;
    depth = typeof kept === "number" ? kept : 0;
    route.value = parseRoute(window.location.hash);
  };
  window.addEventListener("popstate", read);
  return {
    route,
    go(to, how = "push") {
      const hash = formatRoute(to);
      if (how === "replace") window.history.replaceState(depth, "", hash);
      else if (hash !== formatRoute(route.peek())) window.history.pushState(++depth, "", hash);
      route.value = to;
    },
    back(or) {
      if (depth > 0) window.history.back();
      else this.go(or, "replace");
    },
    stop: () => window.removeEventListener("popstate", read),
  };
}

/** The router of a chat inside somebody else's page. */
export function memoryRouter(first: Route = {}): Router {
  const route = signal(first);
  const trail: Route[] = [];
  return {
    route,
    go(to, how = "push") {
      if (how === "push") trail.push(route.peek());
      if (trail.length > 100) trail.shift();
      route.value = to;
    },
    back(or) {
      route.value = trail.pop() ?? or;
    },
    stop: () => {},
  };
}
