// The whole public API of @parley-chat/client, as types. Names of fields are those
// of PROTOCOL.md. Nothing here runs.
//
// Signals are those of @preact/signals-core: read `.value` in a component or an
// effect to be told of changes, `.peek()` otherwise. What a signal holds is never
// changed in place: a new object takes its place.

export type * from "./api/client.js";
export type * from "./api/connection.js";
export type * from "./api/conversation.js";
export type * from "./api/thread.js";
export type * from "./ports.js";
export type { ReadonlySignal, Signal } from "@preact/signals-core";
