// Fields of forms and filters, each bound to a signal.

import type { Signal } from "@preact/signals";

/** A value of a select and the text that is shown for it. */
export type Option<T extends string | number> = [value: T, text: string];

interface SelectProps<T extends string | number> {
  /** The text before the field; for a filter it is read out only. */
  label: string;
  value: Signal<T>;
  options: Option<T>[];
  /** Whether the label is not shown. */
  filter?: boolean;
}

export function Select<T extends string | number>({ label, value, options, filter = false }: SelectProps<T>) {
  const select = (
    <select
      aria-label={filter ? label : undefined}
      value={value.value}
      onChange={(event) => (value.value = options[event.currentTarget.selectedIndex]![0])}
    >
      {options.map(([option, text]) => (
        <option key={option} value={option}>
          {text}
        </option>
      ))}
    </select>
  );
  if (filter) return select;
  return (
    <label>
      {label}
      {select}
    </label>
  );
}

interface NumberFieldProps {
  label: string;
  value: Signal<number>;
  min: number;
  max: number;
}

export function NumberField({ label, value, min, max }: NumberFieldProps) {
  return (
    <label>
      {label}
      <input type="number" min={min} max={max} required value={value.value} onInput={(event) => (value.value = event.currentTarget.valueAsNumber)} />
    </label>
  );
}
