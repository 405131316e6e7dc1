// Small pictures beside text; screen readers skip them.

const PATHS = {
  lock: "M5 7V5a3 3 0 0 1 6 0v2h1v7H4V7zm1.5 0h3V5a1.5 1.5 0 0 0-3 0z",
  alert: "M8 1.5 15 14H1zM7.3 6v4h1.4V6zm0 5v1.5h1.4V11z",
  check: "M6.4 12.4 2 8l1.3-1.3 3.1 3.1 6.3-6.3L14 4.8z",
  close: "m3.6 2.4 4.4 4.4 4.4-4.4 1.2 1.2L9.2 8l4.4 4.4-1.2 1.2L8 9.2l-4.4 4.4-1.2-1.2L6.8 8 2.4 3.6z",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" focusable="false">
      <path fill-rule="evenodd" d={PATHS[name]} />
    </svg>
  );
}
