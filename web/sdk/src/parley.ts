import type { Conversation, Parley, ParleyOptions } from "./api.js";
import { Client } from "./client.js";
import { ParleyError } from "./errors.js";
import type { ConversationFrame } from "./protocol/frames.js";
import { asked } from "./state/asked.js";

/** Makes a client of one user on one device. It does nothing until `start`. */
export function createParley(o: ParleyOptions): Parley {
  const c = new Client(o);
  const { state, social, files } = c;
  const learned = async (answer: Promise<ConversationFrame>): Promise<Conversation> => state.learn({ ...(await asked(answer, c.rest, state)), type: "conversation" });
  return {
    connection: state.connection,
    me: state.me,
    features: state.features,
    limits: state.limits,
    conversations: state.conversations,
    loaded: state.loaded,
    totals: state.totals,
    more: state.list.more,
    loadMore: () => c.sync.more(),

    conversation: (id) => state.list.look(id),
    open: async (id) => state.get(id) ?? learned(c.rest.get("/v1/conversations/" + encodeURIComponent(id))),
    direct: (user) => state.direct(user),
    createGroup: async (g) => learned(social.createGroup(g)),
    presence: (user) => c.presence.of(user),

    search: (q) => social.search(q),
    blocks: social.blocks,
    block: (user) => social.block(user),
    unblock: (user) => social.unblock(user),
    devices: () => social.devices(state.me.peek()?.device),
    forgetDevice: (device) => social.forgetDevice(device),
    profile: () => social.profile(),
    setProfile: (p) => social.setProfile(p),

    upload: (file, conv, options = {}) => {
      const info = state.get(conv)?.info.peek();
      if (info === undefined) return Promise.reject(new ParleyError("not_found", "there is no such conversation"));
      return files.upload(file, info.peer === undefined ? { conv } : { to: info.peer }, options);
    },
    attachmentURL: (id, what = "file") => files.url(id, what),

    on: (event, listener) => c.events.on(event, listener),
    start: () => c.start(),
    retryNow: () => c.retryNow(),
    setOnline: (online) => c.setOnline(online),
    setVisible: (visible) => c.setVisible(visible),
    close: () => c.close("closed", "closed"),
    signOut: () => c.signOut(),
  };
}
