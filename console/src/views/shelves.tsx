// Shelves on object storage: the unshelved bytes, and whether their stores respond.

import { useDocument } from "../document";
import { bytes, count, duration, plural } from "../format";
import { Icon } from "../parts/icon";
import { Listing } from "../parts/listing";
import type { Column } from "../parts/table";
import type { ObjectShelf, Page, Replica } from "../types";
import { path } from "../ui";

const POLL_MS = 3000;

function State({ shelf }: { shelf: ObjectShelf }) {
  return shelf.error === undefined ? (
    <span class="nowrap">
      <Icon name="check" /> responds
    </span>
  ) : (
    <span class="bad">
      <Icon name="alert" /> does not respond: {shelf.error}
    </span>
  );
}

function Unshelved({ shelf }: { shelf: ObjectShelf }) {
  if (!shelf.unshelved) return <>nothing</>;
  return (
    <ul class="plain">
      {shelf.unshelved.map(({ cartridge, bytes: size, error }) => (
        <li key={cartridge} class={error === undefined ? undefined : "bad"}>
          <a class="mono" href={path("cartridge", cartridge)}>
            {cartridge}
          </a>{" "}
          {bytes(size)}
          {error !== undefined && `: ${error}`}
        </li>
      ))}
    </ul>
  );
}

function Replicas({ shelf }: { shelf: ObjectShelf }) {
  const ofPools = shelf.pool_replicas ?? [];
  if (!shelf.replica && ofPools.length === 0) return <>none</>;
  return (
    <>
      {shelf.replica && <ReplicaState replica={shelf.replica} />}
      {ofPools.map((replica) => (
        <div key={replica.shelf}>
          of pools: <ReplicaState replica={replica} />
        </div>
      ))}
    </>
  );
}

function ReplicaState({ replica }: { replica: Replica }) {
  const failed = Object.entries(replica.failed ?? {});
  return (
    <>
      <span class="mono">{replica.shelf}</span>
      {replica.cartridges === 0
        ? ", up to date"
        : `, behind by ${plural(replica.cartridges, "cartridge")} with ${bytes(replica.bytes)}, for ${duration(replica.seconds * 1_000_000)}`}
      {failed.length > 0 && (
        <ul class="plain">
          {failed.map(([cartridge, reason]) => (
            <li key={cartridge} class="bad">
              <a class="mono" href={path("cartridge", cartridge)}>
                {cartridge}
              </a>{" "}
              {reason}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

const COLUMNS: Column<ObjectShelf>[] = [
  ["shelf", ({ shelf }) => shelf, "mono"],
  ["URL", ({ url }) => url, "mono"],
  ["store", (shelf) => <State shelf={shelf} />],
  ["durability", ({ durability }) => durability],
  ["encryption", ({ encrypted }) => (encrypted ? "encrypted" : "none")],
  ["Object Lock", ({ object_lock }) => (object_lock ? "enabled" : "none")],
  ["cartridges", (shelf) => `${count(shelf.cartridges)}${shelf.new_cartridges ? ", and new ones" : ""}`],
  ["unshelved", (shelf) => <Unshelved shelf={shelf} />],
  ["replica", (shelf) => <Replicas shelf={shelf} />],
  ["cached", (shelf) => `${bytes(shelf.cached_bytes)} of ${bytes(shelf.cache_bytes)}`],
];

export function Shelves() {
  const shown = useDocument<Page<ObjectShelf>>("/v1/object-shelves", { pollMs: POLL_MS });
  return (
    <div class="view">
      <header class="view-head">
        <h1>Shelves</h1>
      </header>
      {shown.error.value && <p class="banner bad">{shown.error.value}</p>}
      <section class="panel">
        <Listing label="Shelves on object storage" columns={COLUMNS} items={shown.value.value?.items} keyOf={({ shelf }) => shelf}>
          This site has no shelf on object storage. A table <code>[[shelf]]</code> of the configuration adds one.
        </Listing>
        <p class="muted">The unshelved bytes are on the disk of this machine only.</p>
      </section>
    </div>
  );
}
