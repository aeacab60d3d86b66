// Puts a chat into an element: the common part of the page and of the custom element.

import { render } from "preact";
import { createParley, type ParleyOptions } from "@parley-chat/client";
import { App, followPage } from "./app.tsx";
import { tellMessages } from "./notify/page.ts";
import { newChat, type Chat } from "./state/chat.ts";
import type { Prefs } from "./state/prefs.ts";
import type { Router } from "./state/router.ts";

export interface Begin {
  options: ParleyOptions;
  prefs: Prefs;
  router: Router;
  /** After signing out, whoever did it. */
  signedOut?: (() => void) | undefined;
  /** Offers "sign in" once the client has ended; absent in a page that signs in itself. */
  again?: (() => void) | undefined;
}

/** A running chat; `stop` takes it out of the element and leaves what is stored. */
export interface Running {
  readonly chat: Chat;
  stop(): Promise<void>;
}

export function begin(el: Element | ShadowRoot, b: Begin): Running {
  const parley = createParley(b.options);
  const signOut =
    b.signedOut === undefined
      ? undefined
      : async () => {
          await parley.signOut().catch(() => {}); // what can be forgotten here is forgotten
          await end();
          b.signedOut?.();
        };
  const chat = newChat({ parley, prefs: b.prefs, router: b.router, now: Date.now, signOut });
  const stops = [followPage(chat), tellMessages(chat)];
  const end = async () => {
    for (const stop of stops) stop();
    stops.length = 0;
    chat.kept.stop();
    render(null, el as Element);
    await parley.close();
  };
  stops.push(parley.on("error", (err) => console.warn("parley:", err.code, err.message)));
  render(<App chat={chat} again={b.again} />, el as Element);
  parley.start();
  return { chat, stop: end };
}
