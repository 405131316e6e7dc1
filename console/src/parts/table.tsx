// A table of objects, which scrolls within its box.

import type { ComponentChildren } from "preact";

/** The heading of a column, the content of its cells, and their class. */
export type Column<T> = [heading: string, cell: (item: T) => ComponentChildren, className?: string];

interface TableProps<T> {
  label: string;
  columns: Column<T>[];
  items: T[];
  keyOf: (item: T) => string | number;
  /** Whether the table may be as high as most of the window. */
  tall?: boolean;
}

export function Table<T>({ label, columns, items, keyOf, tall = false }: TableProps<T>) {
  return (
    <div class={tall ? "scroll tall" : "scroll"} tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map(([heading]) => (
              <th key={heading} scope="col">
                {heading}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <tr key={keyOf(item)}>
              {columns.map(([heading, cell, className]) => (
                <td key={heading} class={className}>
                  {cell(item)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
