// The state of the site as the page shows it: the snapshot that begins the stream of events, changed by each event.

import { batch, signal } from "@preact/signals";
import { get } from "./api";
import type { Chassis, Drive, Element, Location, ObjectShelf, Page, Pool, SiteEvent, SiteStatus, Summary } from "./types";

/** A library with its elements, which are changed in place: a component that shows them reads `revision`. */
export interface Library {
  summary: Summary;
  drives: Drive[];
  io: Element[];
  slots: Element[];
  /** Slots and I/O elements by address. */
  byAddress: Map<number, Element>;
}

export const libraries = signal<Library[]>([]);
/** The chassis that libraries divide, of the snapshot. */
export const chassis = signal<Chassis[]>([]);
export const shelves = signal<Map<string, Set<string>>>(new Map());
export const pools = signal<Pool[]>([]);
export const warnings = signal<string[]>([]);
export const portals = signal<string[]>([]);
/** Shelves on object storage, of the snapshot. */
export const objectShelves = signal<ObjectShelf[]>([]);
export const protocolVersion = signal<number | undefined>(undefined);
/** Changes whenever an element has changed. */
export const revision = signal(0);
/** Whether a snapshot has been received. */
export const isKnown = signal(false);

export const findLibrary = (name: string): Library | undefined =>
  libraries.value.find((library) => library.summary.name === name);

/** The chassis of a library that is a partition. */
export const chassisOf = (library: Library): Chassis | undefined =>
  chassis.value.find((item) => item.name === library.summary.chassis);

/** The other partitions of the chassis of a library. */
export const otherPartitions = (library: Library): Library[] =>
  libraries.value.filter((other) => other !== library && other.summary.chassis !== undefined && other.summary.chassis === library.summary.chassis);

/** The partition that uses a slot of the shared I/O station, if it is another one than the library. */
export function userOfShared(library: Library, element: Element): Library | undefined {
  if (element.cartridge || !chassisOf(library)?.shared_station) return undefined;
  const index = library.io.indexOf(element);
  return otherPartitions(library).find((other) => other.io[index]?.cartridge !== undefined);
}

/** The name of an element, such as `slot3`. */
export function elementName(library: Library, element: Element): string {
  if (library.drives.includes(element as Drive)) return `drive${element.number}`;
  return library.io.includes(element) ? `io${element.number}` : `slot${element.number}`;
}

/** The name of the element at an address, or the address if there is none. */
export function nameOfAddress(libraryName: string, address: number): string {
  const library = libraries.value.find((library) => library.summary.name === libraryName);
  const element = library?.byAddress.get(address) ?? library?.drives.find((drive) => drive.address === address);
  return library && element ? elementName(library, element) : `element ${address}`;
}

/** A location in words: `slot3`, or `shelf main`. */
export function locationName(location: Location): string {
  if ("shelf" in location) return `shelf ${location.shelf}`;
  const { library, address } = location.element;
  const name = nameOfAddress(library, address);
  return libraries.value.length > 1 ? `${library}/${name}` : name;
}

export function applySnapshot(status: SiteStatus): void {
  batch(() => {
    libraries.value = status.libraries.map(({ drives, io_elements: io, slots, ...summary }) => ({
      summary,
      drives,
      io,
      slots,
      byAddress: new Map([...io, ...slots].map((element) => [element.address, element])),
    }));
    chassis.value = status.chassis ?? [];
    shelves.value = new Map(Object.entries(status.shelves).map(([name, barcodes]) => [name, new Set(barcodes)]));
    objectShelves.value = status.object_shelves ?? [];
    warnings.value = status.warnings ?? [];
    portals.value = status.portals ?? [];
    protocolVersion.value = status.version;
    isKnown.value = true;
    lastRead = "";
    revision.value++;
  });
  refreshSoon();
}

/** The members of an element that belong to its cartridge. */
const OF_CARTRIDGE = ["cartridge", "kind", "source", "label", "unusable"] as const;

function elementAt(location: Location): Element | undefined {
  if ("shelf" in location) return undefined;
  const { library, address } = location.element;
  return libraries.value.find((known) => known.summary.name === library)?.byAddress.get(address);
}

function moveCartridge(barcode: string, from: Location | undefined, to: Location): void {
  const carried: Partial<Element> = { cartridge: barcode };
  const source = from && elementAt(from);
  if (source?.cartridge === barcode) {
    for (const key of OF_CARTRIDGE) {
      if (source[key] !== undefined) Object.assign(carried, { [key]: source[key] });
      delete source[key];
    }
  }
  if (from && "shelf" in from) shelves.value.get(from.shelf)?.delete(barcode);
  if ("shelf" in to) {
    const shelf = shelves.value.get(to.shelf) ?? new Set();
    shelves.value.set(to.shelf, shelf.add(barcode));
    return;
  }
  const target = elementAt(to);
  if (!target) return;
  Object.assign(target, carried, { source: to.element.source });
  // The event does not tell the kind of a cartridge that comes from elsewhere.
  if (!carried.kind) void refreshElement(to.element.library, target);
}

async function refreshElement(library: string, element: Element): Promise<void> {
  try {
    const read = await get<Element>(`/v1/slots/${element.address}?library=${encodeURIComponent(library)}`);
    for (const key of [...OF_CARTRIDGE, "fault"] as const) delete element[key];
    Object.assign(element, read);
    revision.value++;
  } catch {
    // The next snapshot has it.
  }
}

interface OperatorState {
  faults?: Record<string, "disabled" | "blocked">;
  labels?: Record<string, "missing" | "unreadable">;
}

function applyOperatorState(library: Library, state: OperatorState): void {
  for (const element of library.byAddress.values()) {
    const fault = state.faults?.[element.address];
    const label = element.cartridge === undefined ? undefined : state.labels?.[element.cartridge];
    if (fault !== element.fault) element.fault = fault;
    if (label !== element.label) element.label = label;
  }
}

function forEachElementOf(barcode: string, change: (element: Element) => void): void {
  for (const library of libraries.value) {
    for (const element of library.byAddress.values()) if (element.cartridge === barcode) change(element);
  }
}

/** Changes the state by an event. */
export function applyEvent(event: SiteEvent): void {
  const { from, to } = event as { from?: Location; to?: Location };
  const barcode = event.barcode;
  if (event.event === "lagged") return applySnapshot(event.snapshot as SiteStatus);
  if (barcode !== undefined && to) moveCartridge(barcode, from, to);
  const library = event.library === undefined ? undefined : findLibrary(event.library);
  switch (event.event) {
    case "operator_state":
      if (library) applyOperatorState(library, event.state as OperatorState);
      break;
    case "unusable":
    case "usable":
      if (barcode) forEachElementOf(barcode, (element) => (element.unusable = event.reason as string | undefined));
      break;
    case "deleted":
    case "forgotten":
      for (const shelf of shelves.value.values()) if (barcode) shelf.delete(barcode);
      if (barcode) {
        forEachElementOf(barcode, (element) => {
          for (const key of OF_CARTRIDGE) delete element[key];
        });
      }
      break;
  }
  revision.value++;
  refreshSoon();
}

const REFRESH_DELAY_MS = 120;
let refreshTimer: ReturnType<typeof setTimeout> | undefined;

/** Reads the small parts again that no event describes completely: libraries, drives and pools. */
export function refreshSoon(): void {
  refreshTimer ??= setTimeout(() => {
    refreshTimer = undefined;
    void refresh();
  }, REFRESH_DELAY_MS);
}

const POLL_MS = 3000;

/** Hosts lock and reserve units without an event: reads the drives again now and then, while the page is in view. */
export function pollUnits(): () => void {
  const timer = setInterval(() => {
    if (!document.hidden) refreshSoon();
  }, POLL_MS);
  return () => clearInterval(timer);
}

/** The answers to the last refresh: the same again change nothing. */
let lastRead = "";

async function refresh(): Promise<void> {
  try {
    const [summaries, drives, poolList] = await Promise.all([
      get<Page<Summary>>("/v1/libraries"),
      get<Page<Drive & { library: string }>>("/v1/drives"),
      get<Page<Pool>>("/v1/pools"),
    ]);
    const read = JSON.stringify([summaries, drives, poolList]);
    if (read === lastRead) return;
    lastRead = read;
    batch(() => {
      for (const library of libraries.value) {
        const summary = summaries.items.find((item) => item.name === library.summary.name);
        if (summary) library.summary = summary;
        library.drives = drives.items.filter((drive) => drive.library === library.summary.name);
      }
      pools.value = poolList.items;
      revision.value++;
    });
  } catch {
    // The stream of events reports the lost connection.
  }
}
