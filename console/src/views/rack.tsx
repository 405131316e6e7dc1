// Each library as a front view: drives, I/O station, robot and slots.

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { may, request } from "../api";
import { count, kindName, plural, reservationText } from "../format";
import { beginDrag, choose, deselect, drag, elementByName, move, movedWords, moving, selected, whyNotFrom, whyNotTo } from "../moves";
import { AssignButtons, ChassisPanel, placeInChassis } from "../parts/chassis";
import { Grid, type Cell } from "../parts/grid";
import { Icon } from "../parts/icon";
import { Select, type Option } from "../parts/fields";
import { PoolFilter } from "../parts/pool-filter";
import { elementWords, Spine } from "../parts/spine";
import { elementName, isKnown, libraries, pollUnits, pools, revision, shelves, userOfShared, type Library } from "../site";
import type { Drive, Element, Moved } from "../types";
import { act, path, route } from "../ui";

const STATES: Option<string>[] = [
  ["", "all elements"],
  ["full", "with a cartridge"],
  ["empty", "empty"],
  ["worm", "WORM"],
  ["cleaning", "cleaning cartridges"],
  ["unusable", "cannot be used"],
  ["label", "label missing or unreadable"],
  ["fault", "disabled or blocked"],
];

function isInState(element: Element, state: string): boolean {
  switch (state) {
    case "full":
      return !!element.cartridge;
    case "empty":
      return !element.cartridge;
    case "worm":
    case "cleaning":
      return element.kind === state;
    case "unusable":
      return !!element.unusable;
    case "label":
      return !!element.label;
    case "fault":
      return !!element.fault;
    default:
      return true;
  }
}

/** Tells whether a barcode matches the pattern of a pool: one run of `#` stands for a number. */
export function patternOf(pattern: string): (barcode: string) => boolean {
  const match = /^(.*?)(#+)(.*)$/.exec(pattern);
  if (!match) return (barcode) => barcode === pattern;
  const [, prefix, digits, suffix] = match as unknown as [string, string, string, string];
  return (barcode) =>
    barcode.startsWith(prefix) &&
    barcode.endsWith(suffix) &&
    new RegExp(`^\\d{${digits.length},}$`).test(barcode.slice(prefix.length, barcode.length - suffix.length));
}

/** A cell that shows an element and takes part in moves. */
function elementCell(library: Library, element: Element, extra = ""): Cell {
  const name = elementName(library, element);
  const isSelected = selected.value?.library === library.summary.name && selected.value.name === name;
  const move = moving.value.get(library.summary.name);
  const busy = move?.from === name || move?.to === name;
  const source = selected.value?.library === library.summary.name ? elementByName(library, selected.value.name) : undefined;
  const isTarget = !!source?.cartridge && !isSelected && may("operate") && !whyNotTo(library, name, element);
  const user = userOfShared(library, element)?.summary.name;
  const isOver = drag.value?.from.library === library.summary.name && drag.value.over === name;
  const classes = [
    extra,
    element.cartridge ? "is-full" : "is-empty",
    isSelected && "is-selected",
    isTarget && "is-target",
    isTarget && isOver && "is-over",
    busy && "is-busy",
    element.fault && "is-faulty",
  ];
  return {
    name,
    label: user === undefined ? elementWords(name, element) : `${name}, used by partition ${user}`,
    className: classes.filter(Boolean).join(" "),
    selected: isSelected,
    busy,
    content: (
      <>
        <span class="cell-number" data-text={element.number} />
        {element.cartridge ? <Spine element={element} /> : <span class="recess">{element.fault ?? user}</span>}
        {element.cartridge && element.fault && <span class="cell-fault">{element.fault}</span>}
      </>
    ),
  };
}

function Lamp({ on, good, children }: { on: boolean; good: boolean; children: preact.ComponentChildren }) {
  const state = on ? (good ? "good" : "bad") : "off";
  return (
    <span class={`lamp lamp-${state}`}>
      <span class="lamp-sign" aria-hidden="true" />
      {children}
    </span>
  );
}

export function AlertBadge({ names }: { names: string[] }) {
  if (names.length === 0) return null;
  return (
    <span class="badge badge-alert">
      <Icon name="alert" /> TapeAlert: {names.join(", ")}
    </span>
  );
}

function Nameplate({ library }: { library: Library }) {
  revision.value;
  const { summary } = library;
  const query = `?library=${encodeURIComponent(summary.name)}`;
  const setRobot = (online: boolean) =>
    act(`robot ${online ? "online" : "offline"}`, () => request("PATCH", `/v1/robot${query}`, { online }));
  const setDoor = (door: string, name: string, open: boolean) =>
    act(`${name} ${open ? "opened" : "closed"}`, () => request("PATCH", `/v1/doors/${door}${query}`, { open }));
  const opens = !summary.removal_prevented;
  return (
    <header class="nameplate">
      <div>
        <h2>{summary.name}</h2>
        <p class="plate-model">
          {summary.model} <span class="mono">{summary.serial}</span>
        </p>
      </div>
      <div class="lamps">
        <Lamp on good={summary.online && !summary.faulty}>
          {summary.faulty ? "changer faulty" : summary.online ? "robot online" : "robot offline"}
        </Lamp>
        <Lamp on={summary.door_open} good={false}>
          {summary.door_open ? "access door open" : "access door closed"}
        </Lamp>
        {summary.removal_prevented && (
          <span class="badge badge-lock" title="PREVENT ALLOW MEDIUM REMOVAL">
            <Icon name="lock" /> a host prevents medium removal: doors stay closed, no export
          </span>
        )}
        {summary.reservation && (
          <span class="badge badge-lock">
            <Icon name="lock" /> {reservationText(summary.reservation)}
          </span>
        )}
        <AlertBadge names={summary.alerts} />
      </div>
      {may("operate") && (
        <div class="plate-buttons">
          {(opens || summary.door_open) && (
            <button class="quiet" onClick={() => setDoor("access", "access door", !summary.door_open)}>
              {summary.door_open ? "Close access door" : "Open access door"}
            </button>
          )}
          <button class="quiet" onClick={() => setRobot(!summary.online || !!summary.faulty)}>
            {summary.online && !summary.faulty ? "Set robot offline" : "Set robot online"}
          </button>
        </div>
      )}
    </header>
  );
}

export function driveState(drive: Drive): { word: string; tone: "good" | "bad" | "off" } {
  if (drive.faulty) return { word: "faulty", tone: "bad" };
  if (!drive.online) return { word: "offline", tone: "bad" };
  if (drive.refused) return { word: "cartridge refused", tone: "bad" };
  if (drive.daemon) return { word: drive.cartridge ? "full" : "empty", tone: "off" };
  if (drive.threaded) return { word: "ready", tone: "good" };
  if (drive.thawing) return { word: "being thawed", tone: "off" };
  if (drive.cartridge) return { word: drive.ejected ? "ejected" : "not ready", tone: "off" };
  return { word: "empty", tone: "off" };
}

/** The address of a drive: its LUN, or the daemon that serves it. */
export const drivePlace = (drive: Drive): string => (drive.daemon ? `daemon ${drive.daemon}` : `LUN ${drive.lun}`);

export const unload = (library: string, drive: string): Promise<boolean> =>
  act(movedWords, () => request<Moved>("POST", "/v1/unloads", { library, drive }));

function driveCell(library: Library, drive: Drive): Cell {
  const cell = elementCell(library, drive, "drive");
  const state = driveState(drive);
  const name = `drive${drive.number}`;
  return {
    ...cell,
    // Begins with the text that is seen, in its order.
    label: [
      [name, drive.model, state.word, drive.cartridge].filter(Boolean).join(" "),
      ...(drive.alerts.length > 0 ? [`TapeAlert: ${drive.alerts.join(", ")}`] : []),
      ...(drive.removal_prevented ? ["removal prevented by a host"] : []),
      ...(drive.reservation ? [reservationText(drive.reservation)] : []),
      `${drivePlace(drive)}, ${drive.serial}`,
      drive.cartridge ? kindName(drive.kind) : "empty",
    ].join(", "),
    content: (
      <>
        <span class="drive-head">
          <a class="drive-name" href={path("drive", library.summary.name, name)} tabIndex={-1}>
            {name}
          </a>{" "}
          <span class="drive-model">{drive.model}</span>{" "}
          <span class={`lamp lamp-${state.tone}`}>
            <span class="lamp-sign" aria-hidden="true" />
            {state.word}
          </span>
        </span>{" "}
        <span class="drive-mouth">
          {drive.cartridge ? <Spine element={drive} /> : <span class="recess" />}
        </span>{" "}
        <span class="drive-foot">
          {drive.alerts.length > 0 ? <AlertBadge names={drive.alerts} /> : !drive.removal_prevented && !drive.reservation && `${drivePlace(drive)}, ${drive.serial}`}
          {drive.removal_prevented && (
            <span class="badge badge-lock">
              <Icon name="lock" /> removal prevented by a host
            </span>
          )}
          {drive.reservation && <span class="badge badge-lock">reserved</span>}
        </span>
      </>
    ),
  };
}

function Station({ library }: { library: Library }) {
  revision.value;
  const { summary } = library;
  const open = summary.station_open;
  const toggle = () =>
    act(`I/O station ${open ? "closed" : "opened"}`, () =>
      request("PATCH", `/v1/doors/io_station?library=${encodeURIComponent(summary.name)}`, { open: !open }),
    );
  return (
    <section class={`bay station ${open ? "station-open" : ""}`} aria-label={`I/O station of ${summary.name}`}>
      <h3>
        I/O station <small>{open ? "open" : "closed"}</small>
        {summary.removal_prevented && (
          <small class="badge badge-lock">
            <Icon name="lock" /> locked by a host
          </small>
        )}
        {may("operate") && (open || !summary.removal_prevented) && (
          <button class="quiet small" onClick={toggle}>
            {open ? "Close" : "Open"}
          </button>
        )}
      </h3>
      {library.io.length === 0 ? (
        <p class="muted">This library has no I/O elements.</p>
      ) : (
        <Grid
          label={`I/O elements of ${summary.name}`}
          count={library.io.length}
          minWidth={124}
          rowHeight={30}
          cell={(index) => elementCell(library, library.io[index]!)}
          onActivate={(index) => choose(library, library.io[index]!)}
          onPointerDown={(index, event) => beginDrag(library, library.io[index]!, event)}
        />
      )}
    </section>
  );
}

/** The rail with the robot: it stands beside the slot of the last move. */
function Rail({ library, at }: { library: Library; at: number }) {
  const move = moving.value.get(library.summary.name);
  return (
    <div class="rail" aria-hidden="true">
      <div class={`carriage ${move ? "carriage-busy" : ""}`} style={{ top: `calc((100% - 34px) * ${at})` }} />
    </div>
  );
}

function Slots({ library, found }: { library: Library; found: { slots: Element[]; isFiltered: boolean } }) {
  return (
    <Grid
      label={`Slots of ${library.summary.name}`}
      count={found.slots.length}
      minWidth={innerWidth < 500 ? 132 : 150}
      rowHeight={30}
      scrolls
      cell={(index) => elementCell(library, found.slots[index]!)}
      onActivate={(index) => choose(library, found.slots[index]!)}
      onPointerDown={(index, event) => beginDrag(library, found.slots[index]!, event)}
    />
  );
}

/** The place of the robot, from 0 (first slot) to 1, by the move that is going on or the last selected slot. */
function robotAt(library: Library): number {
  const move = moving.value.get(library.summary.name);
  const name = move ? (move.to.startsWith("slot") ? move.to : move.from) : selected.value?.name;
  const number = name?.startsWith("slot") ? Number(name.slice(4)) : 1;
  return library.slots.length > 1 ? (number - 1) / (library.slots.length - 1) : 0;
}

function Cabinet({ library }: { library: Library }) {
  const search = useSignal("");
  const state = useSignal("");
  const pool = useSignal("");
  const { summary } = library;
  const found = useMemo(() => {
    const wanted = search.value.trim().toUpperCase();
    const pattern = pools.value.find((item) => item.pool === pool.value)?.pattern;
    const inPool = pattern === undefined ? () => true : patternOf(pattern);
    const isFiltered = wanted !== "" || state.value !== "" || pattern !== undefined;
    const matches = (element: Element): boolean =>
      isInState(element, state.value) &&
      (wanted === "" || !!element.cartridge?.toUpperCase().includes(wanted)) &&
      (pattern === undefined || (!!element.cartridge && inPool(element.cartridge)));
    return { slots: isFiltered ? library.slots.filter(matches) : library.slots, isFiltered };
  }, [library, search.value, state.value, pool.value, revision.value, pools.value]);
  const full = useMemo(() => library.slots.filter((slot) => slot.cartridge).length, [library, revision.value]);
  const move = moving.value.get(summary.name);
  const onShelf = shelves.value.get(summary.shelf)?.size ?? 0;
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape") deselect();
  };

  return (
    <section class="cabinet" data-library={summary.name} aria-label={`Library ${summary.name}`} onKeyDown={onKeyDown}>
      <Nameplate library={library} />
      <div class="bays">
        <div class="left">
          <section class="bay" aria-label={`Drives of ${summary.name}`}>
            <h3>Drives</h3>
            <Grid
              label={`Drives of ${summary.name}`}
              count={library.drives.length}
              minWidth={230}
              rowHeight={102}
              cell={(index) => driveCell(library, library.drives[index]!)}
              onActivate={(index) => choose(library, library.drives[index]!)}
              onPointerDown={(index, event) => beginDrag(library, library.drives[index]!, event)}
            />
          </section>
          <Station library={library} />
          <section class="bay robot" aria-label={`Robot of ${summary.name}`}>
            <h3>Robot</h3>
            <p>
              {summary.faulty
                ? `faulty: ${summary.faulty}`
                : !summary.online
                  ? "offline"
                  : move
                    ? `moving ${move.barcode}: ${move.from} → ${move.to}`
                    : "at rest"}
            </p>
            <p>
              Shelf <a href={path("cartridges", "shelf", summary.shelf)}>{summary.shelf}</a>: {plural(onShelf, "cartridge")}
            </p>
          </section>
        </div>
        <Rail library={library} at={robotAt(library)} />
        <section class="bay slots" aria-label={`Slots of ${summary.name}`}>
          <div class="slots-head">
            <h3>
              Slots <small>{found.isFiltered ? `${count(found.slots.length)} of ${count(library.slots.length)}` : `${count(full)} of ${count(library.slots.length)} full`}</small>
            </h3>
            <div class="filters">
              <input
                type="search"
                placeholder="Barcode"
                aria-label="Search by barcode"
                value={search.value}
                onInput={(event) => (search.value = event.currentTarget.value)}
              />
              <Select filter label="Filter by state" value={state} options={STATES} />
              <PoolFilter pool={pool} />
            </div>
          </div>
          {found.slots.length > 0 ? (
            <Slots library={library} found={found} />
          ) : (
            <p class="nothing">{found.isFiltered ? "No slot matches." : "This library has no slots."}</p>
          )}
        </section>
      </div>
      <Inspector library={library} />
    </section>
  );
}

function SlotFaultButtons({ library, name, element }: { library: Library; name: string; element: Element }) {
  revision.value;
  const set = (fault: "disabled" | "blocked" | null, words: string) =>
    act(`${name} ${words}`, () =>
      request("PATCH", `/v1/slots/${name}?library=${encodeURIComponent(library.summary.name)}`, { fault }),
    );
  if (element.fault) return <button onClick={() => set(null, "is in service again")}>Return {name} to service</button>;
  return (
    <>
      <button class="quiet" onClick={() => set("disabled", "disabled")}>
        Disable {name}
      </button>
      <button class="quiet" onClick={() => set("blocked", "blocked")}>
        Block {name}
      </button>
    </>
  );
}

/** The selected element, with buttons for its usual moves. */
function Inspector({ library }: { library: Library }) {
  const present = useComputed(() => (selected.value?.library === library.summary.name ? selected.value : null)).value;
  revision.value;
  if (!present || drag.value) return null;
  const element = elementByName(library, present.name);
  if (!element) return null;
  const { name } = present;
  const reason = element.cartridge ? whyNotFrom(library, name, element) : undefined;
  const isDrive = name.startsWith("drive");
  const freeDrives = library.drives.filter((drive) => !whyNotTo(library, `drive${drive.number}`, drive));
  const freeIo = library.io.find((io) => !whyNotTo(library, `io${io.number}`, io));
  const exportable = name.startsWith("io") && !library.summary.removal_prevented;
  const inChassis = placeInChassis(library, name);
  const done = (run: Promise<unknown>): void => void run.then(() => (selected.value = null));
  return (
    <aside class="inspector" aria-label="Selected element">
      <div class="inspector-what">
        <strong class="mono">{element.cartridge ?? name}</strong>
        <span>
          {element.cartridge ? `${kindName(element.kind)}, in ${name}` : element.fault ?? "empty"}
          {inChassis && `, ${inChassis}`}
          {element.source !== undefined && !name.startsWith("slot") && `, from ${sourceName(library, element.source)}`}
        </span>
        {element.unusable && <span class="bad">{element.unusable}</span>}
        {reason ? (
          <span class="bad">
            <Icon name="lock" /> cannot be moved: {reason}
          </span>
        ) : (
          element.cartridge && may("operate") && <span class="muted">Choose an empty element to move it there.</span>
        )}
      </div>
      <div class="inspector-buttons">
        {may("operate") && element.cartridge && !reason && (
          <>
            {isDrive && <button onClick={() => done(unload(library.summary.name, name))}>Unload</button>}
            {!isDrive &&
              freeDrives.slice(0, 3).map((drive) => (
                <button key={drive.number} onClick={() => void move(library, name, `drive${drive.number}`)}>
                  Load into drive{drive.number}
                </button>
              ))}
            {name.startsWith("slot") && freeIo && (
              <button onClick={() => void move(library, name, `io${freeIo.number}`)}>Move to io{freeIo.number}</button>
            )}
            {!isDrive && <AssignButtons library={library} barcode={element.cartridge} onDone={() => (selected.value = null)} />}
            {exportable && (
              <button
                onClick={() =>
                  done(act(movedWords, () => request("POST", "/v1/exports", { library: library.summary.name, from: name })))
                }
              >
                Export to shelf {library.summary.shelf}
              </button>
            )}
          </>
        )}
        {may("operate") && !isDrive && !element.cartridge && <SlotFaultButtons library={library} name={name} element={element} />}
        {element.cartridge && (
          <a class="button quiet" href={path("cartridge", element.cartridge)}>
            Details
          </a>
        )}
        {isDrive && (
          <a class="button quiet" href={path("drive", library.summary.name, name)}>
            Open {name}
          </a>
        )}
        <button class="quiet" onClick={deselect}>
          Cancel
        </button>
      </div>
    </aside>
  );
}

function sourceName(library: Library, address: number): string {
  const slot = library.byAddress.get(address);
  return slot ? elementName(library, slot) : `element ${address}`;
}

function Ghost() {
  const present = drag.value;
  if (!present) return null;
  return (
    <div class="ghost" style={{ transform: `translate(${present.x + 10}px, ${present.y - 12}px)` }} aria-hidden="true">
      <Spine element={{ number: 0, address: 0, cartridge: present.barcode }} />
    </div>
  );
}

export function Rack() {
  revision.value;
  useEffect(pollUnits, []);
  const wanted = route.value[1];
  const shown = libraries.value.find((library) => library.summary.name === wanted) ?? libraries.value[0];
  if (!isKnown.value) return <p class="muted">Reading the state of the site…</p>;
  if (!shown) {
    return (
      <div class="view">
        <h1>Rack</h1>
        <p>
          This site has no library. <a href={path("setup")}>Choose the first one</a>.
        </p>
      </div>
    );
  }
  return (
    <>
      <h1 class="visually-hidden">Rack</h1>
      {libraries.value.length > 1 && (
        <nav class="tabs" aria-label="Libraries">
          {libraries.value.map((library) => (
            <a
              key={library.summary.name}
              href={path("rack", library.summary.name)}
              aria-current={library === shown ? "page" : undefined}
            >
              {library.summary.name}
            </a>
          ))}
        </nav>
      )}
      <ChassisPanel library={shown} />
      <Cabinet key={shown.summary.name} library={shown} />
      <Ghost />
    </>
  );
}
