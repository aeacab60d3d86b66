export type * from "./api.js";
export { ParleyError } from "./errors.js";
export { createParley } from "./parley.js";
export { memoryStorage } from "./storage/memory.js";
export type { WebSocketClass } from "./platform.js";
export { systemNetwork } from "./platform.js";
