// Selects a pool, or all of them.

import type { Signal } from "@preact/signals";
import { pools } from "../site";
import { Select, type Option } from "./fields";

export function PoolFilter({ pool }: { pool: Signal<string> }) {
  if (pools.value.length === 0) return null;
  return <Select filter label="Filter by pool" value={pool} options={[["", "all pools"], ...pools.value.map((item): Option<string> => [item.pool, item.pool])]} />;
}
