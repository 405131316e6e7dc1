// Work that takes long: the daemon does it as a job.

import { request } from "./api";
import { plural } from "./format";
import type { Job, Work } from "./types";
import { act, path } from "./ui";

/** The objects of a job in words: a barcode, or a number of cartridges. */
function objectsOf({ cartridge, cartridges = [] }: Work): string {
  return cartridge ?? (cartridges.length === 1 ? cartridges[0]! : plural(cartridges.length, "cartridge"));
}

export function workText(work: Work): string {
  const library = work.library === undefined ? "" : ` (library ${work.library})`;
  const shelf = work.to === undefined ? "" : ` to shelf ${work.to}`;
  switch (work.kind) {
    case "create":
      return `create ${plural(work.count ?? 0, "cartridge")} of pool ${work.pool}`;
    case "convert":
      return `convert ${objectsOf(work)} to the ${work.format} format`;
    default:
      return `${work.kind} ${objectsOf(work)}${shelf}${library}`;
  }
}

/** Starts a job and shows the list of jobs. */
export async function startJob(work: Work): Promise<void> {
  const started = await act((job: Job) => `job ${job.job} started: ${workText(work)}`, () => request("POST", "/v1/jobs", work));
  if (started) location.hash = path("jobs");
}
