// The cartridges of the site, with filters, and new cartridges of a pool.

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { may, readPages, request } from "../api";
import { bytes, count, kindName, plural } from "../format";
import { Dialog, DialogButtons } from "../parts/dialog";
import { NumberField, Select, type Option } from "../parts/fields";
import { PoolFilter } from "../parts/pool-filter";
import { Table, type Column } from "../parts/table";
import { libraries, locationName, pools, revision, shelves } from "../site";
import type { Cartridge, Pool } from "../types";
import { act, messageOf, path } from "../ui";

const ROW_PX = 34;
const SEARCH_DELAY_MS = 250;

const POOL_COLUMNS: Column<Pool>[] = [
  ["pool", (item) => item.pool],
  ["barcodes", (item) => item.pattern, "mono"],
  ["capacity", (item) => bytes(item.size)],
  ["cartridges", (item) => count(item.cartridges)],
  ["blank", (item) => count(item.scratch)],
  ["blank ones kept", (item) => count(item.wanted)],
];

export function stateWords(cartridge: Cartridge): string {
  const words = [];
  if (cartridge.unusable) words.push("cannot be used");
  if (cartridge.blank) words.push("blank");
  if (cartridge.write_protected) words.push("write-protected");
  if (cartridge.retained_until && cartridge.retained_until * 1000 > Date.now()) words.push("retained");
  if (cartridge.legal_hold) words.push("under a legal hold");
  if (cartridge.label) words.push(`label ${cartridge.label}`);
  if (cartridge.cleanings_left !== undefined) words.push(plural(cartridge.cleanings_left, "cleaning") + " left");
  return words.join(", ");
}

function CreateDialog({ onClose }: { onClose: () => void }) {
  const pool = useSignal(pools.value[0]?.pool ?? "");
  const number = useSignal(10);
  const busy = useSignal(false);
  const create = async (event: Event): Promise<void> => {
    event.preventDefault();
    busy.value = true;
    const done = await act(
      (result: { created: string[] }) => `${plural(result.created.length, "cartridge")} created: ${result.created[0]} to ${result.created.at(-1)}`,
      () => request("POST", `/v1/pools/${encodeURIComponent(pool.value)}/cartridges`, { count: number.value }),
    );
    busy.value = false;
    if (done) onClose();
  };
  return (
    <Dialog title="Create cartridges" onClose={onClose}>
      <form onSubmit={create}>
        <Select label="Pool" value={pool} options={pools.value.map((item) => [item.pool, `${item.pool}: ${item.pattern}, ${bytes(item.size)}, library ${item.library}`])} />
        <NumberField label="Number of cartridges" value={number} min={1} max={10_000} />
        <DialogButtons disabled={busy.value} onCancel={onClose}>
          {busy.value ? "Creating…" : "Create"}
        </DialogButtons>
      </form>
    </Dialog>
  );
}

export function Cartridges({ filter, value }: { filter?: string | undefined; value?: string | undefined }) {
  const barcode = useSignal("");
  const place = useSignal(filter === "shelf" || filter === "library" ? `${filter}/${value}` : "");
  const pool = useSignal(filter === "pool" ? (value ?? "") : "");
  const creating = useSignal(false);
  const items = useSignal<Cartridge[]>([]);
  const state = useSignal<"reading" | "done" | string>("reading");
  revision.value;

  useEffect(() => {
    const end = new AbortController();
    const timer = setTimeout(async () => {
      const [kind, name] = place.value.split("/", 2);
      const read: Cartridge[] = [];
      try {
        const query = { ...(kind ? { [kind]: name } : {}), pool: pool.value, barcode: barcode.value.trim().toUpperCase() };
        state.value = items.value.length ? state.value : "reading";
        await readPages<Cartridge>("/v1/cartridges", query, (page) => read.push(...page), end.signal);
        items.value = read;
        state.value = "done";
      } catch (error) {
        if (!end.signal.aborted) state.value = messageOf(error);
      }
    }, SEARCH_DELAY_MS);
    return () => {
      clearTimeout(timer);
      end.abort();
    };
  }, [barcode.value, place.value, pool.value, revision.value]);

  const places: Option<string>[] = [
    ["", "all places"],
    ...libraries.value.map(({ summary: { name } }): Option<string> => [`library/${name}`, `library ${name}`]),
    ...[...shelves.value.keys()].map((name): Option<string> => [`shelf/${name}`, `shelf ${name}`]),
  ];
  return (
    <div class="view">
      <header class="view-head">
        <h1>
          Cartridges <small>{state.value === "done" ? count(items.value.length) : ""}</small>
        </h1>
        {may("operate") && pools.value.length > 0 && (
          <div class="buttons">
            <button onClick={() => (creating.value = true)}>Create cartridges</button>
          </div>
        )}
      </header>
      {pools.value.length > 0 && (
        <section class="panel">
          <h2>Pools</h2>
          <Table label="Pools" columns={POOL_COLUMNS} items={pools.value} keyOf={(item) => item.pool} />
        </section>
      )}
      <section class="panel">
        <div class="row filters">
          <input type="search" aria-label="Search by barcode" placeholder="Barcode" value={barcode.value} onInput={(event) => (barcode.value = event.currentTarget.value)} />
          <Select filter label="Filter by place" value={place} options={places} />
          <PoolFilter pool={pool} />
        </div>
        {state.value === "reading" ? (
          <p class="muted">Reading…</p>
        ) : state.value !== "done" ? (
          <p class="bad">{state.value}</p>
        ) : items.value.length === 0 ? (
          <p class="muted">No cartridge matches.</p>
        ) : (
          <CartridgeTable items={items.value} />
        )}
      </section>
      {creating.value && <CreateDialog onClose={() => (creating.value = false)} />}
    </div>
  );
}

/** A table that renders only the rows in view. */
function CartridgeTable({ items }: { items: Cartridge[] }) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const measure = (): void => setView({ top: box.current!.scrollTop, height: box.current!.clientHeight });
  useLayoutEffect(measure, []);
  const first = Math.max(0, Math.floor(view.top / ROW_PX) - 5);
  const last = Math.min(items.length, Math.ceil((view.top + view.height) / ROW_PX) + 5);
  const space = (rows: number) => rows > 0 && (
    <tr aria-hidden="true">
      <td colSpan={6} style={{ height: `${rows * ROW_PX}px`, padding: "0", border: "0" }} />
    </tr>
  );
  return (
    <div ref={box} class="scroll tall" tabIndex={0} role="region" aria-label="Cartridges" onScroll={measure}>
      <table class="fixed-rows" aria-rowcount={items.length + 1}>
        <thead>
          <tr>
            <th scope="col">barcode</th>
            <th scope="col">place</th>
            <th scope="col">kind</th>
            <th scope="col">capacity</th>
            <th scope="col">pool</th>
            <th scope="col">state</th>
          </tr>
        </thead>
        <tbody>
          {space(first)}
          {items.slice(first, last).map((item, at) => (
            <tr key={item.cartridge} aria-rowindex={first + at + 2}>
              <td class="mono">
                <a href={path("cartridge", item.cartridge)}>{item.cartridge}</a>
              </td>
              <td>{locationName(item.location)}</td>
              <td>{kindName(item.kind)}</td>
              <td>{item.kind === "cleaning" ? "" : bytes(item.size)}</td>
              <td>{item.pool ?? ""}</td>
              <td>{stateWords(item)}</td>
            </tr>
          ))}
          {space(items.length - last)}
        </tbody>
      </table>
    </div>
  );
}
