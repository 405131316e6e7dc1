// A library that an administrator chooses: its text in the configuration, and the work that makes it.

import { signal } from "@preact/signals";
import { get, getTagged, Problem, request } from "./api";
import { plural } from "./format";
import type { CheckedConfiguration, ConfigurationText, Job } from "./types";

export interface NewLibrary {
  name: string;
  model: string;
  slots: number;
  io: number;
  driveModel: string;
  drives: number;
  /** Number of cartridges to create; 0 creates none and adds no pool. */
  cartridges: number;
  /** Barcode of the first one. */
  barcode: string;
}

/** The pattern of the barcodes from a first one, and its number. */
export function patternOf(barcode: string, suffixes: string[]): { pattern: string; first: number } | string {
  const suffix = suffixes.find((suffix) => barcode.endsWith(suffix));
  if (suffix === undefined) return `expected ${suffixes.join(", ")} at the end: the medium of the cartridge`;
  const label = barcode.slice(0, barcode.length - suffix.length);
  const digits = /\d+$/.exec(label)?.[0] ?? "";
  if (digits === "") return `expected a number before ${suffix}, such as V00001${suffix}`;
  if (!/^[A-Z0-9_-]{1,16}$/.test(barcode) || digits.length > 9) return "expected 1 to 16 of A-Z, 0-9, - and _, with at most 9 digits before the medium";
  const first = Number(digits);
  if (first === 0 || first > 65_535) return "expected a number from 1 to 65535 before the medium";
  return { pattern: label.slice(0, label.length - digits.length) + "#".repeat(digits.length) + suffix, first };
}

/** The number of cartridges for which a pattern has numbers. */
export const mostCartridges = ({ pattern, first }: { pattern: string; first: number }): number => 10 ** pattern.split("#").length / 10 - first;

/** The tables of a library and its pool. All texts are ones that need no escape in TOML. */
export function tablesOf(library: NewLibrary, pool: { name: string; pattern: string; first: number } | undefined): string {
  const lines = [
    "[[library]]",
    `name = "${library.name}"`,
    `model = "${library.model}"`,
    `slots = ${library.slots}`,
    `import_export = ${library.io}`,
    "cartridges = []",
    "",
    "[[library.drive]]",
    `model = "${library.driveModel}"`,
    `count = ${library.drives}`,
  ];
  if (pool) lines.push("", "[[pool]]", `name = "${pool.name}"`, `pattern = "${pool.pattern}"`, `first = ${pool.first}`, `library = "${library.name}"`);
  return `${lines.join("\n")}\n`;
}

/** What is done at the moment; empty if nothing is. It outlives the form, which goes when the library appears. */
export const progress = signal("");

const WAIT_MS = 1000;

async function createCartridges(pool: string, count: number): Promise<void> {
  let job = await request<Job>("POST", "/v1/jobs", { kind: "create", pool, count });
  while (job.state === "running") {
    progress.value = `Creating cartridges: ${job.progress.cartridges} of ${count}…`;
    job = await get<Job>(`/v1/jobs/${job.job}?wait_ms=${WAIT_MS}`);
  }
  if (job.state !== "done") throw new Problem(0, "job", job.failure?.error ?? `job ${job.job} was ${job.state}`);
}

/** Adds a library to the configuration file of the daemon, and creates its cartridges. Returns what was done in words. */
export async function addLibrary(text: string, pool: string | undefined, cartridges: number): Promise<string> {
  try {
    progress.value = "Checking the configuration…";
    const { error } = await request<CheckedConfiguration>("POST", "/v1/configuration/check", { text });
    if (error) throw new Problem(0, "invalid", `line ${error.line}, column ${error.column}, ${error.key}: ${error.message}`);
    const { tag } = await getTagged<ConfigurationText>("/v1/configuration");
    progress.value = "Adding the library…";
    await request("POST", "/v1/configuration", { text }, { ifMatch: tag });
    if (pool === undefined) return "the library was added";
    await createCartridges(pool, cartridges);
    return `the library was added, ${plural(cartridges, "cartridge")} created`;
  } finally {
    progress.value = "";
  }
}
