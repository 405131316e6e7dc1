// A list that is read from the daemon: nothing yet, no items, or a table.

import type { ComponentChildren } from "preact";
import { Table, type Column } from "./table";

interface ListingProps<T> {
  label: string;
  /** Undefined until the list was read. */
  items: T[] | undefined;
  columns: Column<T>[];
  keyOf: (item: T) => string | number;
  tall?: boolean;
  /** Shown instead of a table without rows. */
  children: ComponentChildren;
}

export function Listing<T>({ items, children, ...table }: ListingProps<T>) {
  if (items === undefined) return <p class="muted">Reading…</p>;
  if (items.length === 0) return <p class="muted">{children}</p>;
  return <Table items={items} {...table} />;
}
