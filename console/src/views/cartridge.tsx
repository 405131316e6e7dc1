// One cartridge: its properties, its place, its history, and its operations.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, may, request, withQuery } from "../api";
import { log } from "../events";
import { bytes, count, dateTime, day, eventDetail, eventName, kindName } from "../format";
import { startJob } from "../jobs";
import { movedWords } from "../moves";
import { AssignButtons } from "../parts/chassis";
import { Dialog, DialogButtons } from "../parts/dialog";
import { Select } from "../parts/fields";
import { Icon } from "../parts/icon";
import { Spine } from "../parts/spine";
import { findLibrary, libraries, locationName, objectShelves, revision } from "../site";
import type { AuditRecord, Cartridge, Page } from "../types";
import { act, messageOf, path } from "../ui";
import { Contents, InDrive } from "./cartridge-contents";
import { unload } from "./rack";

const encoded = (cartridge: Cartridge): string => `/v1/cartridges/${encodeURIComponent(cartridge.cartridge)}`;

/** The defect of the label, which an operator can set for tests. */
function LabelSelect({ cartridge }: { cartridge: Cartridge }) {
  const set = (label: string): void =>
    void act(`barcode label of ${cartridge.cartridge}: ${label || "readable"}`, () => request("PUT", `${encoded(cartridge)}/label`, { label: label || null }));
  return (
    <select aria-label="Barcode label" value={cartridge.label ?? ""} onChange={(event) => set(event.currentTarget.value)}>
      <option value="">readable</option>
      <option value="missing">missing</option>
      <option value="unreadable">unreadable</option>
    </select>
  );
}

function Facts({ cartridge }: { cartridge: Cartridge }) {
  const retained = cartridge.retained_until;
  return (
    <dl class="facts">
      <dt>Place</dt>
      <dd>{locationName(cartridge.location)}</dd>
      {cartridge.shelf_name !== undefined && (
        <>
          <dt>Files</dt>
          <dd>
            on <a href={path("shelves")}>shelf {cartridge.shelf_name}</a>
            {cartridge.unshelved_bytes !== undefined && `, ${bytes(cartridge.unshelved_bytes)} not shelved yet`}
          </dd>
        </>
      )}
      <dt>Kind</dt>
      <dd>{kindName(cartridge.kind)}</dd>
      {cartridge.kind !== "cleaning" && (
        <>
          <dt>Capacity</dt>
          <dd>{bytes(cartridge.size)}</dd>
          {cartridge.blank !== undefined && (
            <>
              <dt>Written</dt>
              <dd>{cartridge.blank ? "blank" : "has data"}</dd>
            </>
          )}
        </>
      )}
      <dt>Pool</dt>
      <dd>{cartridge.pool ?? "none"}</dd>
      <dt>Loads</dt>
      <dd>{count(cartridge.loads)}</dd>
      {cartridge.cleanings_left !== undefined && (
        <>
          <dt>Cleanings left</dt>
          <dd>{count(cartridge.cleanings_left)}</dd>
        </>
      )}
      <dt>Write-protect tab</dt>
      <dd>{cartridge.write_protected ? "set" : "not set"}</dd>
      <dt>Retention</dt>
      <dd>{retained === undefined ? "none" : `until ${day(retained * 1000)}${retained * 1000 < Date.now() ? " (ended)" : ""}`}</dd>
      <dt>Legal hold</dt>
      <dd>{cartridge.legal_hold ? "set" : "none"}</dd>
      <dt>Barcode label</dt>
      <dd>{may("operate") && "element" in cartridge.location ? <LabelSelect cartridge={cartridge} /> : (cartridge.label ?? "readable")}</dd>
    </dl>
  );
}

function RetainDialog({ cartridge, onClose }: { cartridge: Cartridge; onClose: () => void }) {
  const until = useSignal("");
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
  const submit = (event: Event): void => {
    event.preventDefault();
    const seconds = Date.parse(`${until.value}T00:00:00Z`) / 1000;
    void act(`${cartridge.cartridge} is retained until ${until.value}`, () =>
      request("PUT", `${encoded(cartridge)}/retention`, { until: seconds }),
    ).then((done) => done && onClose());
  };
  return (
    <Dialog title={`Retain the data on ${cartridge.cartridge}`} onClose={onClose}>
      <form onSubmit={submit}>
        <p>Until 00:00 UTC of this day, data on the cartridge cannot be overwritten and the cartridge cannot be deleted. The day can be made later, not earlier.</p>
        <label>
          Day
          <input type="date" required min={tomorrow} value={until.value} onInput={(event) => (until.value = event.currentTarget.value)} />
        </label>
        <DialogButtons onCancel={onClose}>Retain</DialogButtons>
      </form>
    </Dialog>
  );
}

const FORMATS: ["native" | "mhvtl", string][] = [
  ["native", "native format of Ferric"],
  ["mhvtl", "format of mhvtl 1.8"],
];

function ConvertDialog({ cartridge, onClose }: { cartridge: Cartridge; onClose: () => void }) {
  const format = useSignal(FORMATS[0]![0]);
  const submit = (event: Event): void => {
    event.preventDefault();
    void startJob({ kind: "convert", cartridge: cartridge.cartridge, format: format.value });
  };
  return (
    <Dialog title={`Convert the files of ${cartridge.cartridge}`} onClose={onClose}>
      <form onSubmit={submit}>
        <p>The data stays the same; the files of the cartridge get another format. The files need as much free space again until the end.</p>
        <Select label="Format" value={format} options={FORMATS} />
        <DialogButtons onCancel={onClose}>Convert</DialogButtons>
      </form>
    </Dialog>
  );
}

/** Buttons that move the files of a cartridge to a shelf on object storage, and back. */
function ShelfButtons({ cartridge }: { cartridge: Cartridge }) {
  const cartridges = [cartridge.cartridge];
  if (cartridge.shelf_name !== undefined) {
    return (
      <button class="quiet" onClick={() => void startJob({ kind: "recall", cartridges })}>
        Recall from shelf {cartridge.shelf_name}
      </button>
    );
  }
  return (
    <>
      {objectShelves.value.map(({ shelf }) => (
        <button key={shelf} class="quiet" onClick={() => void startJob({ kind: "archive", to: shelf, cartridges })}>
          Archive to shelf {shelf}
        </button>
      ))}
    </>
  );
}

const REMOVALS = {
  delete: {
    title: "Delete",
    done: "deleted",
    text: "The cartridge and all its data are removed. This cannot be undone.",
    run: (cartridge: Cartridge) => request("DELETE", encoded(cartridge)),
  },
  forget: {
    title: "Forget",
    done: "removed from the inventory",
    text: "The cartridge leaves the inventory; its files stay. It returns only by an import.",
    run: (cartridge: Cartridge) => request("POST", `${encoded(cartridge)}/forget`, {}),
  },
};

function RemoveDialog({ cartridge, by, onClose }: { cartridge: Cartridge; by: keyof typeof REMOVALS; onClose: () => void }) {
  const { title, done, text, run } = REMOVALS[by];
  const typed = useSignal("");
  const remove = (event: Event): void => {
    event.preventDefault();
    void act(`${cartridge.cartridge} ${done}`, () => run(cartridge)).then((isDone) => {
      if (isDone) location.hash = path("cartridges");
    });
  };
  return (
    <Dialog title={`${title} ${cartridge.cartridge}`} onClose={onClose}>
      <form onSubmit={remove}>
        <p>{text}</p>
        <label>
          Type the barcode {cartridge.cartridge}
          <input class="mono" required value={typed.value} onInput={(event) => (typed.value = event.currentTarget.value)} />
        </label>
        <DialogButtons danger disabled={typed.value !== cartridge.cartridge} onCancel={onClose}>
          {title}
        </DialogButtons>
      </form>
    </Dialog>
  );
}

function Actions({ cartridge }: { cartridge: Cartridge }) {
  const dialog = useSignal<"retain" | "convert" | keyof typeof REMOVALS | null>(null);
  const close = (): void => {
    dialog.value = null;
  };
  const { location } = cartridge;
  const inElement = "element" in location ? location.element : null;
  const library = inElement ? findLibrary(inElement.library) : undefined;
  const name = cartridge.element ?? "";
  const inDrive = name.startsWith("drive");
  const homes = libraries.value.filter((item) => "shelf" in location && item.summary.shelf === location.shelf);
  const post = (route: string, body: object) => void act(movedWords, () => request("POST", route, body));
  return (
    <div class="buttons">
      {may("operate") && library && !inDrive && library.drives.some((drive) => !drive.cartridge && drive.online) && (
        <button onClick={() => post("/v1/loads", { library: inElement!.library, cartridge: cartridge.cartridge })}>Load into a drive</button>
      )}
      {may("operate") && library && inDrive && <button onClick={() => void unload(inElement!.library, name)}>Unload</button>}
      {may("operate") && library && name.startsWith("io") && !library.summary.removal_prevented && (
        <button class="quiet" onClick={() => post("/v1/exports", { library: inElement!.library, from: name })}>
          Export to shelf {library.summary.shelf}
        </button>
      )}
      {library && !inDrive && <AssignButtons library={library} barcode={cartridge.cartridge} />}
      {may("operate") &&
        homes.map((home) => (
          <button key={home.summary.name} onClick={() => post("/v1/imports", { library: home.summary.name, cartridge: cartridge.cartridge })}>
            Import into {home.summary.name}
          </button>
        ))}
      {may("operate") && !inDrive && cartridge.kind !== "cleaning" && (
        <button
          class="quiet"
          onClick={() =>
            void act(`write-protect tab ${cartridge.write_protected ? "cleared" : "set"}`, () =>
              request("PUT", `${encoded(cartridge)}/write-protect`, { on: !cartridge.write_protected }),
            )
          }
        >
          {cartridge.write_protected ? "Clear write-protect tab" : "Set write-protect tab"}
        </button>
      )}
      {may("operate") && name.startsWith("slot") && !library?.summary.removal_prevented && (
        <button class="quiet" onClick={() => void startJob({ kind: "export", cartridges: [cartridge.cartridge] })}>
          Export through the I/O station
        </button>
      )}
      {may("operate") && !inDrive && cartridge.kind !== "cleaning" && (
        <>
          <button class="quiet" onClick={() => void startJob({ kind: "verify", cartridges: [cartridge.cartridge] })}>
            Verify
          </button>
          <button class="quiet" onClick={() => (dialog.value = "convert")}>
            Convert…
          </button>
          <ShelfButtons cartridge={cartridge} />
        </>
      )}
      {may("admin") && cartridge.kind !== "cleaning" && (
        <button class="quiet" onClick={() => (dialog.value = "retain")}>
          Retain…
        </button>
      )}
      {may("admin") && "shelf" in location && (
        <button class="danger" onClick={() => (dialog.value = "delete")}>
          Delete…
        </button>
      )}
      {may("admin") && !inDrive && (
        <button class="quiet" onClick={() => (dialog.value = "forget")}>
          Forget…
        </button>
      )}
      {dialog.value === "convert" && <ConvertDialog cartridge={cartridge} onClose={close} />}
      {dialog.value === "retain" && <RetainDialog cartridge={cartridge} onClose={close} />}
      {(dialog.value === "delete" || dialog.value === "forget") && <RemoveDialog cartridge={cartridge} by={dialog.value} onClose={close} />}
    </div>
  );
}

function History({ barcode }: { barcode: string }) {
  const records = useSignal<AuditRecord[]>([]);
  useEffect(() => {
    const end = new AbortController();
    get<Page<AuditRecord>>(withQuery("/v1/audit", { object: barcode }), end.signal)
      .then((page) => (records.value = page.items.slice(-100).reverse()))
      .catch(() => undefined);
    return () => end.abort();
  }, [barcode, revision.value]);
  const events = log.value.filter((event) => event.barcode === barcode).slice(-30).reverse();
  return (
    <>
      <section class="panel">
        <h2>Last events</h2>
        {events.length === 0 ? (
          <p class="muted">None among the events that this page has.</p>
        ) : (
          <ul class="plain">
            {events.map((event) => (
              <li key={`${event.start}/${event.seq}`}>
                <span class="mono muted">{dateTime(event.at)}</span> {eventName(event.event)} {eventDetail(event)}
              </li>
            ))}
          </ul>
        )}
      </section>
      {records.value.length > 0 && (
        <section class="panel">
          <h2>Audit</h2>
          <ul class="plain">
            {records.value.map((record) => (
              <li key={record.seq}>
                <span class="mono muted">{dateTime(record.at)}</span> {record.action} by {record.actor.name || record.actor.kind.replaceAll("_", " ")}: {record.error ?? record.result}
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

export function CartridgeView({ barcode }: { barcode: string }) {
  const cartridge = useSignal<Cartridge | null>(null);
  const failed = useSignal("");
  useEffect(() => {
    const end = new AbortController();
    get<Cartridge>(`/v1/cartridges/${encodeURIComponent(barcode)}`, end.signal)
      .then((read) => {
        cartridge.value = read;
        failed.value = "";
      })
      .catch((error: unknown) => {
        if (!end.signal.aborted) failed.value = messageOf(error);
      });
    return () => end.abort();
  }, [barcode, revision.value]);
  const present = cartridge.value;
  return (
    <div class="view">
      <header class="view-head">
        <div>
          <p class="crumbs">
            <a href={path("cartridges")}>Cartridges</a> /
          </p>
          <h1 class="mono">{barcode}</h1>
        </div>
        {present && !failed.value && <Actions cartridge={present} />}
      </header>
      {failed.value && <p class="banner bad">{failed.value}</p>}
      {present && !failed.value && (
        <div class="panels">
          <section class="panel">
            <p class="loaded">
              <Spine element={{ ...present, number: 0, address: 0 }} />
            </p>
            {present.unusable && (
              <p class="bad">
                <Icon name="alert" /> cannot be used: {present.unusable}
              </p>
            )}
            <Facts cartridge={present} />
          </section>
          {"element" in present.location && present.element?.startsWith("drive") ? (
            <InDrive library={present.location.element.library} drive={present.element} />
          ) : (
            !present.unusable && <Contents cartridge={present} />
          )}
          <History barcode={barcode} />
        </div>
      )}
    </div>
  );
}
