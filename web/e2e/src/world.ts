// Something to look at: conversations with everything in them that can look wrong.
import type { Cluster } from "./cluster.js";

const arabic = "مرحبا، كيف حالك اليوم؟ سأصل إلى المحطة في الساعة الخامسة.";
const longWord = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft".repeat(2);
const longName = "a-name.that_is-quite-as-long+as@names-may-be-in-this-protocol-ok";

/** What `evil` writes: none of it may become anything but text. */
export const attacks = [
  `<script>window.hacked = 1</script>`,
  `<img src=x onerror="window.hacked = 1">`,
  `"><svg onload=window.hacked=1>`,
  `javascript:window.hacked=1`,
  `[click](javascript:window.hacked=1) and https://example.org/"onmouseover="window.hacked=1`,
  `data:text/html,<script>window.hacked=1</script>`,
  `vbscript:msgbox(1) file:///etc/passwd JaVaScRiPt:window.hacked=1`,
  `{{constructor.constructor('window.hacked=1')()}} \${window.hacked=1}`,
  `</textarea><script>window.hacked=1</script><style>*{display:none}</style>`,
  `\u202Egnp.exe\u202C \u0000 \uFEFF <b>not bold</b> &lt;i&gt; &#x3C;u&#x3E;`,
  `https://example.org/ok http://user:pass@example.org/ mailto:a@example.org`,
];

export interface World {
  readonly group: string;
}

/** Makes conversations of `me`; the newest is the group, with the title "Kitchen". */
export async function world(cluster: Cluster, me: string): Promise<World> {
  let n = 0;
  const say = async (from: string, to: string | { conv: string }, text: string, more: object = {}) => {
    const where = typeof to === "string" ? { to } : to;
    const cmid = `world-${me}-${++n}`;
    return (await cluster.post("/v1/messages", { ...where, cmid, body: { text }, ...more }, await cluster.token(from))) as { conv: string; seq: number };
  };
  for (const text of attacks) await say("evil", me, text.replaceAll("\u0000", ""));
  await say(longName, me, longWord);
  await say("layla", me, arabic);
  await say(me, "layla", "See you there! السلام عليكم");
  await say("xiaoming", me, "明天下午三点，我们在图书馆门口见，好吗？🎉");
  await say("noor", me, "👍");
  const made = await cluster.post("/v1/conversations", { title: "Kitchen", members: ["noor", "layla", "xiaoming"], cmid: `world-${me}` }, await cluster.token(me));
  const group = (made as { conv: string }).conv;
  await say("noor", { conv: group }, "Who has moved the big pan?\n\nIt was on the second shelf, and now it is not.");
  const first = await say(me, { conv: group }, "Not me. The recipe is at https://example.org/recipes/very-long-path/that-goes-on-and-on?with=parameters&and=more#fragment");
  await say("layla", { conv: group }, `@${me} have you looked in the oven?`, { mentions: [me], reply_to: first.seq });
  for (const [user, emoji] of [["layla", "❤️"], ["noor", "❤️"], ["noor", "👀"]] as const) {
    const path = `/v1/conversations/${group}/messages/${first.seq}/reactions/${encodeURIComponent(emoji)}?cmid=react-${++n}`;
    await cluster.write("PUT", path, undefined, await cluster.token(user));
  }
  await say("noor", { conv: group }, "Found it. Thanks!");
  return { group };
}
