// A grid of elements with roving focus (ARIA grid pattern). It renders only the rows in view, so that it stays fluid with
// tens of thousands of elements.

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

export interface Cell {
  /** Name of the element, such as `slot3`; a drop finds it by this. */
  name: string;
  label: string;
  className: string;
  selected: boolean;
  busy: boolean;
  content: ComponentChildren;
}

interface GridProps {
  label: string;
  count: number;
  /** Least width of a cell in pixels. */
  minWidth: number;
  rowHeight: number;
  /** Whether the grid scrolls within its own viewport. */
  scrolls?: boolean;
  cell: (index: number) => Cell;
  onActivate: (index: number) => void;
  onPointerDown?: (index: number, event: PointerEvent) => void;
  /** An index to bring into view, such as that of a search. */
  reveal?: number | undefined;
}

const GAP = 6;
/** Space around a scrolling grid for the outline of the focus. */
const MARGIN = 8;
const OVERSCAN_ROWS = 4;

/** The index that a key leads to, or undefined if the key is not for the grid. */
export function nextIndex(key: string, ctrl: boolean, index: number, count: number, columns: number, page: number): number | undefined {
  const clamp = (value: number): number => Math.max(0, Math.min(count - 1, value));
  switch (key) {
    case "ArrowRight":
      return clamp(index + 1);
    case "ArrowLeft":
      return clamp(index - 1);
    case "ArrowDown":
      return index + columns < count ? index + columns : index;
    case "ArrowUp":
      return index - columns >= 0 ? index - columns : index;
    case "Home":
      return ctrl ? 0 : index - (index % columns);
    case "End":
      return ctrl ? count - 1 : clamp(index - (index % columns) + columns - 1);
    case "PageDown":
      return clamp(index + columns * page);
    case "PageUp":
      return clamp(index - columns * page);
    default:
      return undefined;
  }
}

export function Grid(props: GridProps) {
  const { count, rowHeight, scrolls = false } = props;
  const root = useRef<HTMLDivElement>(null);
  const [columns, setColumns] = useState(1);
  const [scroll, setScroll] = useState({ top: 0, height: 600 });
  const [active, setActive] = useState(0);
  const wantsFocus = useRef(false);
  const pitch = rowHeight + GAP;

  useLayoutEffect(() => {
    const element = root.current!;
    const measure = (): void => {
      setColumns(Math.max(1, Math.floor((element.clientWidth + GAP) / (props.minWidth + GAP))));
      setScroll({ top: element.scrollTop, height: element.clientHeight });
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [props.minWidth]);

  const current = Math.min(active, Math.max(0, count - 1));
  const rows = Math.ceil(count / columns);

  const bringIntoView = (index: number): void => {
    if (!scrolls) return;
    const element = root.current!;
    const top = Math.floor(index / columns) * pitch;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + pitch > element.scrollTop + element.clientHeight) element.scrollTop = top + pitch - element.clientHeight;
  };

  useLayoutEffect(() => {
    if (!wantsFocus.current) return;
    const cell = root.current!.querySelector<HTMLElement>(`[data-index="${current}"]`);
    if (!cell) return;
    wantsFocus.current = false;
    cell.focus({ preventScroll: scrolls });
  });

  useEffect(() => {
    if (props.reveal === undefined) return;
    setActive(props.reveal);
    bringIntoView(props.reveal);
  }, [props.reveal]);

  const onKeyDown = (event: KeyboardEvent): void => {
    if ((event.target as HTMLElement).closest("button, a, input, select")) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      props.onActivate(current);
      return;
    }
    const page = Math.max(1, Math.floor(scroll.height / pitch) - 1);
    const next = nextIndex(event.key, event.ctrlKey, current, count, columns, page);
    if (next === undefined || count === 0) return;
    event.preventDefault();
    wantsFocus.current = true;
    setActive(next);
    bringIntoView(next);
    setScroll({ top: root.current!.scrollTop, height: root.current!.clientHeight });
  };

  const first = scrolls ? Math.max(0, Math.floor(scroll.top / pitch) - OVERSCAN_ROWS) : 0;
  const last = scrolls ? Math.min(rows, Math.ceil((scroll.top + scroll.height) / pitch) + OVERSCAN_ROWS) : rows;
  // The row with the tab stop exists even when it is out of view.
  const activeRow = Math.floor(current / columns);
  const shown = Array.from({ length: Math.max(0, last - first) }, (_, at) => first + at);
  if (count > 0 && (activeRow < first || activeRow >= last)) shown.push(activeRow);

  const row = (rowIndex: number) => (
    <div key={rowIndex} role="row" aria-rowindex={rowIndex + 1} class="grid-row" style={{ top: `${rowIndex * pitch}px`, height: `${rowHeight}px` }}>
      {Array.from({ length: Math.min(columns, count - rowIndex * columns) }, (_, column) => {
        const index = rowIndex * columns + column;
        const cell = props.cell(index);
        return (
          <div
            key={cell.name}
            role="gridcell"
            class={`cell ${cell.className}`}
            style={{ width: `calc((100% - ${(columns - 1) * GAP}px) / ${columns})` }}
            data-index={index}
            data-element={cell.name}
            tabIndex={index === current ? 0 : -1}
            aria-colindex={column + 1}
            aria-label={cell.label}
            aria-selected={cell.selected}
            aria-busy={cell.busy}
            onClick={(event) => {
              if ((event.target as HTMLElement).closest("button, a")) return;
              setActive(index);
              props.onActivate(index);
            }}
            onFocus={() => index !== current && setActive(index)}
            onPointerDown={(event) => props.onPointerDown?.(index, event)}
          >
            {cell.content}
          </div>
        );
      })}
    </div>
  );

  const canvasHeight = Math.max(0, rows * pitch - GAP);
  return (
    <div
      ref={root}
      class={scrolls ? "grid grid-scrolls" : "grid"}
      style={{ "--digits": String(String(count).length), ...(scrolls ? { height: `min(${canvasHeight + MARGIN}px, var(--grid-height))` } : {}) }}
      role="grid"
      aria-label={props.label}
      aria-rowcount={rows}
      aria-colcount={columns}
      onKeyDown={onKeyDown}
      onScroll={(event) => setScroll({ top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight })}
    >
      <div role="presentation" class="grid-canvas" style={{ height: `${canvasHeight}px` }}>
        {shown.map(row)}
      </div>
    </div>
  );
}
