// Jobs: work that takes long, with its progress and its result.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { may, request } from "../api";
import { useDocument } from "../document";
import { log } from "../events";
import { bytes, count, dateTime, duration, plural } from "../format";
import { workText } from "../jobs";
import { Icon } from "../parts/icon";
import { Listing } from "../parts/listing";
import type { Column } from "../parts/table";
import type { Job, Page, VerifiedCartridge } from "../types";
import { act, path } from "../ui";

const POLL_MS = 1000;
/** Most damaged cartridges of one job that are listed. */
const MAX_DAMAGED = 50;

function WorkCell({ job }: { job: Job }) {
  const { cartridge, cartridges } = job.work;
  const only = cartridge ?? (cartridges?.length === 1 ? cartridges[0] : undefined);
  const text = workText(job.work);
  if (only === undefined) return <>{text}</>;
  const [before, after] = text.split(only, 2);
  return (
    <>
      {before}
      <a class="mono" href={path("cartridge", only)}>
        {only}
      </a>
      {after}
    </>
  );
}

/** The part of the work that is done, from 0 to 1. */
function fraction({ cartridges, cartridges_total, bytes: done, bytes_total }: Job["progress"]): number {
  if (cartridges_total === 0) return 0;
  const present = bytes_total > 0 ? Math.min(1, done / bytes_total) : 0;
  return Math.min(1, (cartridges + present) / cartridges_total);
}

function Progress({ job }: { job: Job }) {
  const { progress } = job;
  const words = `${count(progress.cartridges)} of ${plural(progress.cartridges_total, "cartridge")}`;
  const isReading = job.state === "running" && progress.bytes_total > 0;
  return (
    <div class="progress">
      <progress aria-label={`Progress of job ${job.job}`} max={1} value={fraction(progress)} />
      <span>
        {words}
        {isReading && `, ${bytes(progress.bytes)} of ${bytes(progress.bytes_total)}`}
      </span>
    </div>
  );
}

const STATE_ICONS = { running: undefined, done: "check", failed: "alert", cancelled: "close" } as const;

function State({ job }: { job: Job }) {
  const icon = STATE_ICONS[job.state];
  return (
    <span class={job.state === "failed" ? "bad nowrap" : "nowrap"}>
      {icon && <Icon name={icon} />} {job.state}
    </span>
  );
}

function damageText(item: VerifiedCartridge): string {
  const words = item.files.map(({ file, damage }) => `${file}: ${damage}`);
  if (item.damaged_objects > 0) {
    const first = item.damaged[0];
    const where = first ? `, the first is object ${count(first.object)} of partition ${first.partition}: ${first.damage}` : "";
    words.push(`${plural(item.damaged_objects, "damaged object")}${where}`);
  }
  if (item.torn_objects > 0) words.push(`${plural(item.torn_objects, "object")} after the last synchronised one`);
  return words.join("; ") || "the index does not match the data";
}

function VerifiedResult({ verified }: { verified: VerifiedCartridge[] }) {
  const damaged = verified.filter((item) => !item.intact);
  const intact = verified.filter((item) => item.intact);
  const total = (of: "blocks" | "filemarks" | "stored"): number => intact.reduce((sum, item) => sum + item[of], 0);
  return (
    <>
      {count(intact.length)} intact: {plural(total("blocks"), "block")}, {plural(total("filemarks"), "filemark")}, {bytes(total("stored"))}
      {damaged.length > 0 && (
        <details>
          <summary class="bad">
            <Icon name="alert" /> {count(damaged.length)} damaged
          </summary>
          <ul class="plain">
            {damaged.slice(0, MAX_DAMAGED).map((item) => (
              <li key={item.cartridge}>
                <a class="mono" href={path("cartridge", item.cartridge ?? "")}>
                  {item.cartridge}
                </a>{" "}
                {damageText(item)}
              </li>
            ))}
          </ul>
          {damaged.length > MAX_DAMAGED && <p class="muted">and {count(damaged.length - MAX_DAMAGED)} more</p>}
        </details>
      )}
    </>
  );
}

function Result({ job }: { job: Job }) {
  const { created, verified, moved, converted } = job.result ?? {};
  return (
    <>
      {job.failure && <p class="bad">{job.failure.error}</p>}
      {created && `${count(created.length)} created${created.length > 0 ? `: ${created[0]} to ${created.at(-1)}` : ""}`}
      {moved && `${count(moved.length)} moved`}
      {converted !== undefined && !job.failure && (converted ? "converted" : job.state === "done" ? "was in this format already" : "not converted")}
      {verified && <VerifiedResult verified={verified} />}
    </>
  );
}

function CancelButton({ job }: { job: Job }) {
  if (job.state !== "running" || !may("operate")) return null;
  const cancel = () => act(`job ${job.job} ends after its present step`, () => request("DELETE", `/v1/jobs/${job.job}`));
  return (
    <button class="quiet small" onClick={() => void cancel()}>
      Cancel job {job.job}
    </button>
  );
}

const COLUMNS: Column<Job>[] = [
  ["job", (job) => job.job],
  ["work", (job) => <WorkCell job={job} />],
  ["state", (job) => <State job={job} />],
  ["progress", (job) => <Progress job={job} />],
  ["result", (job) => <Result job={job} />],
  ["started", (job) => dateTime(job.started), "mono"],
  ["took", (job) => (job.ended === undefined ? <CancelButton job={job} /> : duration((job.ended - job.started) * 1000))],
];

export function Jobs() {
  const isRunning = useSignal(false);
  const lastEvent = log.value.findLast((event) => event.event.startsWith("job_"))?.seq;
  const shown = useDocument<Page<Job>>("/v1/jobs", { pollMs: isRunning.value ? POLL_MS : undefined, inputs: [lastEvent] });
  const jobs = shown.value.value?.items.toReversed();
  useEffect(() => {
    isRunning.value = jobs?.some((job) => job.state === "running") ?? false;
  });
  return (
    <div class="view">
      <header class="view-head">
        <h1>Jobs</h1>
      </header>
      {shown.error.value && <p class="banner bad">{shown.error.value}</p>}
      <section class="panel">
        <Listing tall label="Jobs" columns={COLUMNS} items={jobs} keyOf={(job) => job.job}>
          No job was started since the start of the daemon.
        </Listing>
        <p class="muted">
          The page of a <a href={path("cartridges")}>cartridge</a> starts a job: verify, convert, export. Hosts come first: a job that works on a cartridge ends if a drive needs this cartridge.
        </p>
      </section>
    </div>
  );
}
