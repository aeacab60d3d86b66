import type { Parley, ParleyOptions } from "./api.js";

/** Makes a client of one user on one device. It does nothing until `start`. */
export function createParley(_o: ParleyOptions): Parley { throw new Error("soon"); }
