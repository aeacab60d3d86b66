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
  /** The browser may have closed it without a word, as WebKit does: then it is opened once more. */
  const begin = async (mode: IDBTransactionMode): Promise<IDBTransaction> => {
    const was = open();
    const db = await was;
    try {
      return db.transaction(store, mode);
    } catch {
      if (opening === was) opening = undefined;
      return (await open()).transaction(store, mode);
    }
  };
  const within = async <T>(mode: IDBTransactionMode, work: (s: IDBObjectStore) => IDBRequest<T> | undefined): Promise<T | undefined> => {
    const tx = await begin(mode);
    return new Promise((resolve, reject) => {
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
      const tx = await begin("readonly");
      return new Promise((resolve, reject) => {
        const keys = tx.objectStore(store).getAllKeys(range);
        const values = tx.objectStore(store).getAll(range) as IDBRequest<unknown[]>;
        tx.oncomplete = () => resolve(keys.result.map((key, i) => [key as string, values.result[i]] as const));
        tx.onabort = () => reject(tx.error ?? new Error("the transaction was aborted"));
      });
    },
    async write(ops) {
      await within("readwrite", (s) => {
        for (const op of ops) apply(s, op);
        s.transaction.commit(); // said now, so that it holds even if the page is gone by the answer
        return undefined;
      });
    },
    async close() {
      const was = opening;
      opening = undefined;
      (await was?.catch(() => undefined))?.close(); // what could not be opened is closed
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
