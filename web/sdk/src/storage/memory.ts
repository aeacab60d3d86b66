import type { StorageAdapter, StorageOp } from "../ports.js";

/**
 * Keeps everything in memory, as copies. Handed to a second client it stands for a
 * reload, which is how tests use it.
 */
export function memoryStorage(): StorageAdapter {
  const values = new Map<string, string>();
  const apply = (op: StorageOp): void => {
    if (op.op === "put") values.set(op.key, JSON.stringify(op.value));
    else if (op.op === "delete") values.delete(op.key);
    else for (const key of [...values.keys()]) if (key.startsWith(op.prefix)) values.delete(key);
  };
  return {
    async get(key) {
      const text = values.get(key);
      return text === undefined ? undefined : (JSON.parse(text) as unknown);
    },
    async list(prefix) {
      return [...values]
        .filter(([key]) => key.startsWith(prefix))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, text]) => [key, JSON.parse(text) as unknown] as const);
    },
    async write(ops) {
      for (const op of ops) apply(op);
    },
    async close() {},
  };
}
