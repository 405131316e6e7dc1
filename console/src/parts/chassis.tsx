// The chassis that libraries divide: which partition has which slots, drives and slots of the I/O station.

import { may, request } from "../api";
import { count, plural } from "../format";
import { chassisOf, otherPartitions, revision, type Library } from "../site";
import type { Assigned, Chassis, Partition } from "../types";
import { act, path } from "../ui";

const assignedWords = ({ cartridge, from_library, from_element, library, to_element }: Assigned): string =>
  `${cartridge}: ${from_library} ${from_element} → ${library} ${to_element}`;

/** Assigns a cartridge to another partition. Returns whether it was done. */
const assign = (cartridge: string, library: string): Promise<boolean> =>
  act(assignedWords, () => request<Assigned>("POST", "/v1/assignments", { cartridge, library }));

/** A button for each partition to which a cartridge of the library can be assigned. */
export function AssignButtons({ library, barcode, onDone }: { library: Library; barcode: string; onDone?: () => void }) {
  revision.value;
  if (!may("operate")) return null;
  return (
    <>
      {otherPartitions(library).map(({ summary }) => (
        <button key={summary.name} class="quiet" onClick={() => void assign(barcode, summary.name).then((done) => done && onDone?.())}>
          Assign to {summary.name}
        </button>
      ))}
    </>
  );
}

type Share = [first: number, last: number] | undefined;

/** Where the name of an element leads in its chassis, such as `slot 11 of chassis rack1`. */
export function placeInChassis(library: Library, name: string): string | undefined {
  const whole = chassisOf(library);
  const own = whole?.partitions.find((item) => item.library === library.summary.name);
  const [, kind, number] = /^(slot|io|drive)(\d+)$/.exec(name) ?? [];
  const share: Share = kind === "slot" ? own?.slots : kind === "io" ? own?.import_export : own?.drives;
  return whole && share && `${kind} ${count(share[0] + Number(number) - 1)} of chassis ${whole.name}`;
}

const sizeOf = (share: Share): number => (share ? share[1] - share[0] + 1 : 0);

/** The numbers of a share, and its extent in the row of all elements. */
function Extent({ share, total }: { share: Share; total: number }) {
  if (!share) return <span class="muted">none</span>;
  const [first, last] = share;
  const percent = (part: number): string => `${(100 * part) / total}%`;
  return (
    <>
      {first === last ? count(first) : `${count(first)}–${count(last)}`}
      <span class="extent" aria-hidden="true">
        <span style={{ left: percent(first - 1), width: percent(sizeOf(share)) }} />
      </span>
    </>
  );
}

/** The elements that no partition has, in words. */
function notAssigned({ slots, import_export, drives, shared_station, partitions }: Chassis): string {
  const free = (total: number, of: (partition: Partition) => Share): number =>
    total - partitions.reduce((sum, partition) => sum + sizeOf(of(partition)), 0);
  const words = [
    [free(slots, (item) => item.slots), "slot"],
    [shared_station ? 0 : free(import_export, (item) => item.import_export), "I/O element"],
    [free(drives, (item) => item.drives), "drive"],
  ] as const;
  return words.filter(([number]) => number > 0).map(([number, noun]) => plural(number, noun)).join(", ");
}

/** The chassis of a library, with the shares of its partitions. */
export function ChassisPanel({ library }: { library: Library }) {
  revision.value;
  const whole = chassisOf(library);
  if (!whole) return null;
  const free = notAssigned(whole);
  return (
    <details class="panel chassis" open>
      <summary>
        <strong>Chassis {whole.name}</strong>{" "}
        <span class="muted">
          {whole.model}, <span class="mono">{whole.serial}</span>: {plural(whole.slots, "slot")}, {plural(whole.drives, "drive")},{" "}
          {whole.shared_station ? "shared" : "divided"} I/O station with {plural(whole.import_export, "element")}
        </span>
      </summary>
      <div class="scroll">
        <table aria-label={`Partitions of chassis ${whole.name}`}>
          <thead>
            <tr>
              {["Partition", "Library", "Serial number", "Slots", "I/O station", "Drives"].map((title) => (
                <th key={title} scope="col">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {whole.partitions.map((item) => (
              <tr key={item.number} class={item.library === library.summary.name ? "is-shown" : undefined}>
                <td>{item.number}</td>
                <td>
                  <a href={path("rack", item.library)}>{item.library}</a>
                </td>
                <td class="mono">{item.serial}</td>
                <td>
                  <Extent share={item.slots} total={whole.slots} />
                </td>
                <td>
                  <Extent share={item.import_export} total={whole.import_export} />
                </td>
                <td>
                  <Extent share={item.drives} total={whole.drives} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {free && <p class="muted">In no partition: {free}.</p>}
    </details>
  );
}
