// Selecting an element and moving its cartridge: by drag, by two clicks, and by keyboard.

import { signal } from "@preact/signals";
import { may, request } from "./api";
import { elementName, findLibrary, userOfShared, type Library } from "./site";
import type { Drive, Element, Moved } from "./types";
import { act, notify, speak } from "./ui";

export interface Selected {
  library: string;
  name: string;
}

/** The selected element. If it holds a cartridge, the next chosen empty element is the destination. */
export const selected = signal<Selected | null>(null);
/** The move that this page has requested and that is not yet done, by library. */
export const moving = signal<Map<string, { barcode: string; from: string; to: string }>>(new Map());
/** The cartridge under the pointer while it is dragged, and the element below it. */
export const drag = signal<{ barcode: string; from: Selected; x: number; y: number; over: string | null } | null>(null);

export function elementByName(library: Library, name: string): Element | undefined {
  const number = Number(/\d+$/.exec(name)?.[0]);
  if (name.startsWith("drive")) return library.drives.find((drive) => drive.number === number);
  return (name.startsWith("io") ? library.io : library.slots)[number - 1];
}

const isDrive = (name: string): boolean => name.startsWith("drive");

/** Why a cartridge cannot be taken out of an element, or undefined if nothing is known that prevents it. */
export function whyNotFrom(library: Library, name: string, element: Element): string | undefined {
  if (!library.summary.online) return "the robot is offline";
  if (library.summary.faulty) return "the changer is faulty; set the robot online again";
  if (library.summary.door_open) return "the access door is open";
  if (element.fault) return `${name} is ${element.fault}`;
  if (isDrive(name) && (element as Drive).removal_prevented) {
    return `a host prevents medium removal from ${name} (PREVENT ALLOW MEDIUM REMOVAL)`;
  }
  return undefined;
}

/** Why a cartridge cannot be put into an element, or undefined if nothing is known that prevents it. */
export function whyNotTo(library: Library, name: string, element: Element): string | undefined {
  if (element.cartridge) return `${name} holds ${element.cartridge}`;
  if (element.fault) return `${name} is ${element.fault}`;
  if (isDrive(name) && !(element as Drive).online) return `${name} is offline`;
  if (name.startsWith("io") && library.summary.station_open) return "the I/O station is open";
  const user = name.startsWith("io") ? userOfShared(library, element) : undefined;
  if (user) return `partition ${user.summary.name} uses ${name}`;
  return undefined;
}

export async function move(library: Library, from: string, to: string): Promise<void> {
  const barcode = elementByName(library, from)?.cartridge;
  if (!barcode) return;
  const name = library.summary.name;
  const setMoving = (value?: { barcode: string; from: string; to: string }): void => {
    const all = new Map(moving.value);
    if (value) all.set(name, value);
    else all.delete(name);
    moving.value = all;
  };
  setMoving({ barcode, from, to });
  speak(`Moving ${barcode} from ${from} to ${to}`);
  selected.value = null;
  const run = (): Promise<Moved> => request<Moved>("POST", "/v1/moves", { library: name, from, to });
  await act(movedWords, run);
  setMoving();
}

export function movedWords(moved: Moved): string {
  const from = moved.from_element ?? `shelf ${moved.shelf}`;
  const to = moved.to_element ?? `shelf ${moved.shelf}`;
  const done = `${moved.cartridge}: ${from} → ${to}`;
  return moved.refused ? `${done}. The drive cannot use the cartridge: ${moved.refused}` : done;
}

/** The user has chosen an element: it becomes the destination of the selected cartridge, or is selected itself. */
export function choose(library: Library, element: Element): void {
  const name = elementName(library, element);
  const present = selected.value;
  const source = present?.library === library.summary.name ? elementByName(library, present.name) : undefined;
  if (present && source?.cartridge && present.name !== name && !element.cartridge && may("operate")) {
    const reason = whyNotTo(library, name, element) ?? whyNotFrom(library, present.name, source);
    if (reason) notify("error", `${source.cartridge} stays in ${present.name}: ${reason}`);
    else void move(library, present.name, name);
    return;
  }
  if (present?.library === library.summary.name && present.name === name) {
    deselect();
    return;
  }
  selected.value = { library: library.summary.name, name };
  const next = element.cartridge && may("operate") ? ". Choose an empty element to move it there." : "";
  speak(`${name} selected, ${element.cartridge ?? "empty"}${next}`);
}

export function deselect(): void {
  if (selected.value) speak("Selection cleared");
  selected.value = null;
}

const DRAG_THRESHOLD_PX = 6;
const EDGE_PX = 36;

/** Begins to follow the pointer; after some pixels the cartridge is dragged. */
export function beginDrag(library: Library, element: Element, event: PointerEvent): void {
  if (event.button !== 0 || event.pointerType === "touch" || !element.cartridge || !may("operate")) return;
  const barcode = element.cartridge;
  const from = { library: library.summary.name, name: elementName(library, element) };
  const [startX, startY] = [event.clientX, event.clientY];

  const follow = (moved: PointerEvent): void => {
    const { clientX: x, clientY: y } = moved;
    if (!drag.value) {
      if (Math.hypot(x - startX, y - startY) < DRAG_THRESHOLD_PX) return;
      const reason = whyNotFrom(library, from.name, element);
      if (reason) {
        notify("error", `${barcode} stays in ${from.name}: ${reason}`);
        stop();
        return;
      }
      selected.value = from;
    }
    const below = document.elementFromPoint(x, y);
    const cell = below?.closest<HTMLElement>("[data-element]");
    const sameLibrary = cell?.closest<HTMLElement>("[data-library]")?.dataset.library === from.library;
    scrollAtEdge(below, y);
    drag.value = { barcode, from, x, y, over: sameLibrary ? cell!.dataset.element! : null };
  };
  const drop = (): void => {
    const present = drag.value;
    stop();
    if (!present) return;
    // The click that follows must not select the element again.
    const swallow = (click: MouseEvent): void => click.stopPropagation();
    addEventListener("click", swallow, { capture: true });
    setTimeout(() => removeEventListener("click", swallow, { capture: true }), 0);
    selected.value = null;
    const now = findLibrary(from.library);
    const target = now && present.over ? elementByName(now, present.over) : undefined;
    if (!now || !present.over || !target || present.over === from.name) return;
    const reason = whyNotTo(now, present.over, target);
    if (reason) notify("error", `${barcode} stays in ${from.name}: ${reason}`);
    else void move(now, from.name, present.over);
  };
  const cancel = (key: KeyboardEvent): void => {
    if (key.key === "Escape") stop();
  };
  const stop = (): void => {
    drag.value = null;
    removeEventListener("pointermove", follow);
    removeEventListener("pointerup", drop);
    removeEventListener("pointercancel", stop);
    removeEventListener("keydown", cancel);
  };
  addEventListener("pointermove", follow);
  addEventListener("pointerup", drop);
  addEventListener("pointercancel", stop);
  addEventListener("keydown", cancel);
}

/** Scrolls the grid below the pointer when it is near an edge. */
function scrollAtEdge(below: globalThis.Element | null, y: number): void {
  const grid = below?.closest(".grid-scrolls");
  if (!grid) return;
  const box = grid.getBoundingClientRect();
  if (y < box.top + EDGE_PX) grid.scrollTop -= 18;
  else if (y > box.bottom - EDGE_PX) grid.scrollTop += 18;
}
