// The page that `parley up` serves: signs in by a name, and is the chat.

import { render } from "preact";
import { ParleyError } from "@parley-chat/client";
import { begin, type Running } from "./chat.tsx";
import { browserOptions } from "./platform.ts";
import { badgePage } from "./notify/page.ts";
import { favicon } from "./notify/favicon.ts";
import { ChatContext, newChat } from "./state/chat.ts";
import { openPrefs, type Prefs } from "./state/prefs.ts";
import { pageRouter } from "./state/router.ts";
import { SignIn } from "./ui/signin.tsx";

const userKey = "parley.user";

/** Asks the server for a token for a name; undefined if it gives none. */
async function devToken(origin: string, user: string): Promise<string | undefined> {
  const res = await fetch(`${origin}/dev/token`, { method: "POST", body: JSON.stringify({ user }) });
  if (res.status === 404) return undefined;
  if (!res.ok) throw new Error(`token: HTTP ${res.status}`);
  const answer: unknown = await res.json();
  if (typeof answer !== "object" || answer === null || !("token" in answer) || typeof answer.token !== "string") throw new Error("token: not in the answer");
  return answer.token;
}

export async function startPage(window: Window): Promise<void> {
  const el = window.document.getElementById("parley");
  if (el === null) throw new Error("the page has no element #parley");
  const { prefs, ready } = openPrefs(window.localStorage, window.navigator.languages);
  await ready;
  const origin = window.location.origin;
  const dot = favicon(window.document.querySelector('link[rel="icon"]'), "/favicon.svg", "/favicon-unread.svg");

  const chatAs = (user: string) => {
    const router = pageRouter(window);
    const token = async () => {
      const t = await devToken(origin, user);
      if (t === undefined) throw new ParleyError("unauthenticated", "this server gives out no tokens");
      return t;
    };
    let running: Running | undefined;
    let unbadge = () => {};
    const leave = () => {
      unbadge();
      router.go({}, "replace");
      router.stop();
      window.localStorage.removeItem(userKey);
      signIn();
    };
    running = begin(el, {
      options: { ...browserOptions(user), url: origin, token, user },
      prefs,
      router,
      signedOut: leave,
      again: () => void running?.stop().then(leave),
    });
    unbadge = badgePage(running.chat, dot);
  };
  const signIn = () => {
    render(
      <SignInPage
        prefs={prefs}
        signIn={async (user) => {
          if ((await devToken(origin, user)) === undefined) return false;
          window.localStorage.setItem(userKey, user);
          render(null, el);
          chatAs(user);
          return true;
        }}
      />,
      el,
    );
  };
  const user = window.localStorage.getItem(userKey);
  if (user === null) signIn();
  else chatAs(user);
}

function SignInPage({ prefs, signIn }: { prefs: Prefs; signIn: (user: string) => Promise<boolean> }) {
  const theme = prefs.theme.value;
  const dark = theme === "system" ? matchMedia("(prefers-color-scheme: dark)").matches : theme === "dark";
  return (
    <div class="parley" data-theme={dark ? "dark" : "light"}>
      <ChatContext.Provider value={newChat({ parley: undefined as never, prefs, router: undefined as never, now: Date.now, signOut: undefined })}>
        <SignIn signIn={signIn} />
      </ChatContext.Provider>
    </div>
  );
}
