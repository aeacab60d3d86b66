// The view on made-up conversations: `npm run dev`, then /dev/index.html?empty, ?lang=zh, ?theme=dark.
import "../src/style/index.css";
import "../src/style/page.css";
import { render } from "preact";
import { App, followPage } from "../src/app.tsx";
import { newChat } from "../src/state/chat.ts";
import { openPrefs } from "../src/state/prefs.ts";
import { pageRouter } from "../src/state/router.ts";
import { fakeParley } from "./fake.ts";
import { scripts } from "./scripts.ts";

const query = new URLSearchParams(location.search);
const { prefs, ready } = openPrefs({ getItem: () => null, setItem: () => {} }, [query.get("lang") ?? "en"]);
const theme = query.get("theme");
if (theme === "dark" || theme === "light") prefs.theme.value = theme;
const chat = newChat({ parley: fakeParley(query.has("empty") ? [] : scripts), prefs, router: pageRouter(window), now: Date.now, signOut: async () => {} });
followPage(chat);
await ready;
const el = document.getElementById("parley");
if (el !== null) render(<App chat={chat} />, el);
