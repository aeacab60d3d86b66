import type { ComponentType } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { Conversation } from "@parley-chat/client";
import { EmojiPicker } from "./composer/pickers.ts";
import { dayNumber } from "./format/time.ts";
import type { Texts } from "./i18n/index.ts";
import { Results, Side } from "./list/side.tsx";
import { ChatContext, useChat, useTexts, type Chat, type Width } from "./state/chat.ts";
import type { Route } from "./state/router.ts";
import { Pane } from "./thread/pane.tsx";
import { Sheet } from "./ui/dialogs.tsx";
import { Bubbles } from "./ui/icons.tsx";
import { lazy } from "./ui/lazy.tsx";
import { Lightbox, Overlays } from "./ui/overlays.tsx";
import { Ended, Status } from "./ui/status.tsx";

interface PanelProps {
  close: () => void;
}

const panel = <P extends PanelProps>(load: () => Promise<ComponentType<P>>, title: (t: Texts) => string) =>
  lazy(load, ({ close, note }) => (
    <Sheet title={title(useTexts())} close={close}>
      {note}
    </Sheet>
  ));
const Info = panel(async () => (await import("./panels/info.tsx")).Info, (t) => t.about);
const NewConversation = panel(async () => (await import("./panels/new.tsx")).NewConversation, (t) => t.newChat);
const Settings = panel(async () => (await import("./panels/settings.tsx")).Settings, (t) => t.settings);

/** What is not in the first load. Fetched soon after it: without a connection, or after an update of the server, it could not be. */
const later = [Info, NewConversation, Settings, Results, EmojiPicker, Lightbox];
const laterBy = 1000; // ms

/** The widths of one column and of two narrow ones, in pixels. */
const narrowBelow = 700;
const mediumBelow = 1000;

const widthOf = (px: number): Width => (px < narrowBelow ? "narrow" : px < mediumBelow ? "medium" : "wide");

/** The chat of a signed-in user. `again` offers to sign in anew, where that is possible. */
export function App({ chat, again }: { chat: Chat; again?: (() => void) | undefined }) {
  return (
    <ChatContext.Provider value={chat}>
      <Shell again={again} />
    </ChatContext.Provider>
  );
}

function Shell({ again }: { again?: (() => void) | undefined }) {
  const chat = useChat();
  const { parley, router, width } = chat;
  const root = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const el = root.current;
    if (el === null) return;
    const look = () => (width.value = widthOf(el.clientWidth));
    look();
    const observer = new ResizeObserver(look);
    observer.observe(el);
    return () => observer.disconnect();
  }, [width]);
  const route = router.route.value;
  const open = useOpen(route);
  const connection = parley.connection.value;
  useEffect(() => {
    if (connection.phase !== "live") return;
    const timer = setTimeout(() => later.forEach((part) => part.fetch()), laterBy);
    return () => clearTimeout(timer);
  }, [connection.phase]);
  const ended = connection.phase === "ended" && connection.reason !== "closed" ? connection : undefined;
  const t = useTexts();
  return (
    // A file that is dropped beside the place for it must not take the chat's place in the window.
    <div ref={root} class="parley" onDragOver={refuseFiles} onDrop={refuseFiles} lang={t.lang} dir="ltr" data-theme={useTheme()} data-width={width.value} data-phase={connection.phase}>
      {ended !== undefined ? (
        <Ended state={ended} again={again} />
      ) : (
        <div class="shell" data-view={route.conv !== undefined || route.peer !== undefined ? "thread" : "list"}>
          <Side />
          {open !== undefined ? (
            <Pane key={open.id} c={open} />
          ) : (
            <main class="main">
              <div class="blank">
                <Bubbles size={44} />
                <h2>{t.pickConversation}</h2>
                <p>{t.pickConversationHint}</p>
              </div>
            </main>
          )}
          <Status />
        </div>
      )}
      {ended === undefined && <Panels route={route} open={open} />}
      <Overlays />
    </div>
  );
}

function refuseFiles(e: DragEvent): void {
  if (e.defaultPrevented || e.dataTransfer === null || !e.dataTransfer.types.includes("Files")) return;
  e.preventDefault();
  e.dataTransfer.dropEffect = "none";
}

function useTheme(): "light" | "dark" {
  const { prefs, dark } = useChat();
  const theme = prefs.theme.value;
  return theme === "system" ? (dark.value ? "dark" : "light") : theme;
}

/** The conversation of the route; asked of the server if it is not in the list. */
function useOpen(route: Route): Conversation | undefined {
  const chat = useChat();
  const { parley, router } = chat;
  const open = useSignal<Conversation | undefined>(undefined);
  const me = parley.me.value;
  const live = parley.connection.value.phase === "live";
  void parley.conversations.value;
  let found: Conversation | undefined;
  if (route.conv !== undefined) found = parley.conversation(route.conv);
  else if (route.peer !== undefined && me !== undefined) found = parley.direct(route.peer);
  useEffect(() => {
    const id = route.conv;
    if (id === undefined || found !== undefined || !live) return;
    let wanted = true;
    parley.open(id).then(
      (c) => {
        if (wanted) open.value = c;
      },
      () => {
        if (wanted && router.route.peek().conv === id) router.go({}, "replace"); // not one's own, or gone
      },
    );
    return () => {
      wanted = false;
    };
  }, [route.conv, found === undefined, live]);
  return found ?? (open.value?.id === route.conv ? open.value : undefined);
}

function Panels({ route, open }: { route: Route; open: Conversation | undefined }) {
  const { router } = useChat();
  const { panel, ...under } = route;
  const close = () => router.back(under);
  if (panel === "settings") return <Settings close={close} />;
  if (panel === "new") return <NewConversation close={close} />;
  if (panel === "info" && open !== undefined) return <Info c={open} close={close} />;
  return null;
}

/** Keeps a chat told of what the page knows: the network, whether it is seen, light or dark. */
export function followPage(chat: Chat): () => void {
  const stops: (() => void)[] = [];
  const listen = (target: EventTarget, type: string, run: () => void) => {
    target.addEventListener(type, run);
    stops.push(() => target.removeEventListener(type, run));
  };
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const look = () => {
    date();
    const visible = document.visibilityState === "visible";
    chat.visible.value = visible && document.hasFocus();
    chat.parley.setVisible(visible);
  };
  const network = () => chat.parley.setOnline(navigator.onLine);
  const shade = () => (chat.dark.value = scheme.matches);
  const date = () => (chat.today.value = dayNumber(chat.now()));
  const clock = setInterval(date, 20_000); // a sleeping machine's timers do not know of midnight
  stops.push(() => clearInterval(clock));
  shade();
  look();
  network();
  listen(scheme, "change", shade);
  listen(document, "visibilitychange", look);
  listen(window, "focus", look);
  listen(window, "blur", look);
  listen(window, "online", network);
  listen(window, "offline", network);
  return () => stops.forEach((stop) => stop());
}
