// Selects a pool, or all of them.

import type { Signal } from "@preact/signals";
import { pools } from "../site";

export function PoolFilter({ pool }: { pool: Signal<string> }) {
  if (pools.value.length === 0) return null;
  return (
    <select aria-label="Filter by pool" value={pool.value} onChange={(event) => (pool.value = event.currentTarget.value)}>
      <option value="">all pools</option>
      {pools.value.map((item) => (
        <option key={item.pool}>{item.pool}</option>
      ))}
    </select>
  );
}
