// The contents of a cartridge that is not in a drive: its use, the map of its files, and its MAM.

import { useDocument } from "../document";
import { bytes, count, plural } from "../format";
import { Icon } from "../parts/icon";
import { Table, type Column } from "../parts/table";
import { TapeMap } from "../parts/tape-map";
import type { Cartridge, CartridgeContents } from "../types";
import { path } from "../ui";

type Attribute = CartridgeContents["attributes"][number];

const ATTRIBUTE_COLUMNS: Column<Attribute>[] = [
  ["attribute", (attribute) => attribute.id, "mono"],
  ["name", (attribute) => attribute.name],
  ["partition", (attribute) => attribute.partition],
  ["value", (attribute) => attribute.value, "value break"],
];

function Use({ contents }: { contents: CartridgeContents }) {
  const { partitions, unsynchronised } = contents;
  return (
    <dl class="facts">
      <dt>Medium</dt>
      <dd>
        {contents.medium}, serial number <span class="mono">{contents.serial}</span>
      </dd>
      <dt>Format of the files</dt>
      <dd>{contents.format}</dd>
      {partitions.map((partition) => (
        <>
          <dt>Partition {partition.number}</dt>
          <dd>
            {bytes(partition.used)} of {bytes(partition.capacity)} on the medium, {plural(partition.objects - partition.filemarks, "block")}, {plural(partition.filemarks, "filemark")}
          </dd>
        </>
      ))}
      <dt>In its life</dt>
      <dd>
        {bytes(contents.written_in_life)} written, {bytes(contents.read_in_life)} read, {plural(contents.loads, "load")}
      </dd>
      {contents.last_drive && (
        <>
          <dt>Last drive</dt>
          <dd class="mono">{contents.last_drive}</dd>
        </>
      )}
      {unsynchronised && (
        <>
          <dt>Not synchronised</dt>
          <dd>
            {plural(unsynchronised.complete, "complete object")}, {count(unsynchronised.torn)} torn
          </dd>
        </>
      )}
      {contents.damage && (
        <>
          <dt>Damage</dt>
          <dd class="bad">
            <Icon name="alert" /> {contents.damage}
          </dd>
        </>
      )}
    </dl>
  );
}

/** Reads the contents again after each load. */
export function Contents({ cartridge }: { cartridge: Cartridge }) {
  const version = `${cartridge.loads} ${cartridge.element ?? ""}`;
  const shown = useDocument<CartridgeContents>(`/v1/cartridges/${encodeURIComponent(cartridge.cartridge)}/contents`, { inputs: [version] });
  const contents = shown.value.value;
  if (!contents) return <section class="panel">{shown.error.value ? <p class="bad">{shown.error.value}</p> : <p class="muted">Reading…</p>}</section>;
  return (
    <>
      <section class="panel">
        <h2>Contents</h2>
        <Use contents={contents} />
      </section>
      {contents.partitions.map(({ number }) => (
        <section key={number} class="panel wide">
          <h2>{contents.partitions.length > 1 ? `Map of partition ${number}` : "Map of its files"}</h2>
          <TapeMap barcode={cartridge.cartridge} partition={number} version={version} />
        </section>
      ))}
      <section class="panel wide">
        <h2>Cartridge memory (MAM)</h2>
        <Table label="Attributes of the MAM" columns={ATTRIBUTE_COLUMNS} items={contents.attributes} keyOf={(attribute) => `${attribute.id}${attribute.partition}`} />
      </section>
    </>
  );
}

/** In place of the contents, while a drive has the cartridge. */
export function InDrive({ library, drive }: { library: string; drive: string }) {
  return (
    <section class="panel">
      <h2>Contents</h2>
      <p>
        The cartridge is in <a href={path("drive", library, drive)}>{drive}</a>, where its position is seen. Its contents are read after the unload, so that the drive is not disturbed.
      </p>
    </section>
  );
}
