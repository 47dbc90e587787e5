/** Lists of which only changes are told: the other half of the server's `admin/changes.py`. */

/** What is known before anything was told. */
export const EMPTY = { total: -1, rows: new Map() };

/**
 * Return a part of a list after a change. `change`: `total`; `order`, the keys, where they are others;
 * `rows`, by key, the new rows and the changed fields of old ones. A row knows when it was last told
 * (`toldAt`, of performance.now()), for what grows with time alone is not told.
 */
export function applied(told, change) {
  const patches = new Map(Object.entries(change.rows ?? {}));
  const toldAt = performance.now();
  const rows = new Map((change.order ?? [...told.rows.keys()]).map((key) => {
    const patch = patches.get(key);
    const before = told.rows.get(key);
    return [key, patch === undefined ? before : { ...before, ...patch, toldAt }];
  }));
  return { total: change.total, rows };
}
