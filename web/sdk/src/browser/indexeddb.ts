import type { StorageAdapter, StorageOp } from "../ports.js";

const store = "values";

/**
 * Keeps everything in one object store of an IndexedDB database, which all tabs of the
 * origin share. It is opened at the first use, and again after the browser closed it.
 */
export function indexedDBStorage(name = "parley"): StorageAdapter {
  let opening: Promise<IDBDatabase> | undefined;
  const open = (): Promise<IDBDatabase> => {
    opening ??= openDatabase(name, () => (opening = undefined)).catch((err: unknown) => {
      opening = undefined;
      throw err;
    });
    return opening;
  };
  const within = async <T>(mode: IDBTransactionMode, work: (s: IDBObjectStore) => IDBRequest<T> | undefined): Promise<T | undefined> => {
    const db = await open();
    return new Promise((resolve, reject) => {
      const tx = db.transaction(store, mode);
      let request: IDBRequest<T> | undefined;
      tx.oncomplete = () => resolve(request?.result);
      tx.onabort = () => reject(tx.error ?? new Error("the transaction was aborted"));
      try {
        request = work(tx.objectStore(store));
      } catch (err) {
        tx.abort(); // a value that cannot be kept: then none of them is
        reject(err as Error);
      }
    });
  };
  return {
    get: (key) => within<unknown>("readonly", (s) => s.get(key) as IDBRequest<unknown>),
    async list(prefix) {
      const range = under(prefix);
      const db = await open();
      return new Promise((resolve, reject) => {
        const tx = db.transaction(store, "readonly");
        const keys = tx.objectStore(store).getAllKeys(range);
        const values = tx.objectStore(store).getAll(range) as IDBRequest<unknown[]>;
        tx.oncomplete = () => resolve(keys.result.map((key, i) => [key as string, values.result[i]] as const));
        tx.onabort = () => reject(tx.error ?? new Error("the transaction was aborted"));
      });
    },
    async write(ops) {
      await within("readwrite", (s) => {
        for (const op of ops) apply(s, op);
        return undefined;
      });
    },
    async close() {
      if (opening !== undefined) (await opening).close();
      opening = undefined;
    },
  };
}

function apply(s: IDBObjectStore, op: StorageOp): void {
  if (op.op === "put") s.put(op.value, op.key);
  else if (op.op === "delete") s.delete(op.key);
  else s.delete(under(op.prefix));
}

/** All keys that begin with a prefix: they are ASCII. */
function under(prefix: string): IDBKeyRange {
  return IDBKeyRange.bound(prefix, prefix + "\uffff");
}

function openDatabase(name: string, lost: () => void): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(store);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB cannot be opened"));
    request.onsuccess = () => {
      const db = request.result;
      db.onclose = lost;
      db.onversionchange = () => {
        db.close();
        lost();
      };
      resolve(db);
    };
  });
}
