// The files of one partition: each as long as its bytes on the medium.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { getWhenFree, withQuery } from "../api";
import { bytes, count, plural } from "../format";
import type { TapeFile } from "../types";
import { messageOf } from "../ui";
import { Table, type Column } from "./table";

/** Parts of the map that are read at once; the user requests more. */
const PARTS = 4;
/** Most files in the table and in the bar. */
const MAX_SHOWN = 500;

const size = (file: TapeFile): string => {
  if (file.blocks === 0) return "";
  return file.smallest === file.largest ? count(file.smallest) : `${count(file.smallest)} to ${count(file.largest)}`;
};

const ENDS = { filemark: "filemark", end_of_data: "end of data", next_part: "not read to its end" } as const;

const COLUMNS: Column<TapeFile>[] = [
  ["file", (file) => count(file.file)],
  ["first object", (file) => count(file.object)],
  ["blocks", (file) => count(file.blocks)],
  ["bytes", (file) => bytes(file.bytes)],
  ["on the medium", (file) => bytes(file.stored)],
  ["block length", size],
  ["ends with", (file) => `${ENDS[file.end]}${file.damaged > 0 ? `, ${plural(file.damaged, "damaged record")}` : ""}`],
];

/** The same file in two parts of the map is one file. */
function append(files: TapeFile[], part: TapeFile[]): TapeFile[] {
  const last = files.at(-1);
  const [first, ...rest] = part;
  if (!last || !first || last.file !== first.file) return [...files, ...part];
  const lengths = [last, first].filter((file) => file.blocks > 0).map((file) => file.smallest);
  const joined = {
    ...last,
    blocks: last.blocks + first.blocks,
    bytes: last.bytes + first.bytes,
    stored: last.stored + first.stored,
    damaged: last.damaged + first.damaged,
    smallest: lengths.length > 0 ? Math.min(...lengths) : 0,
    largest: Math.max(last.largest, first.largest),
    end: first.end,
  };
  return [...files.slice(0, -1), joined, ...rest];
}

function Bar({ files }: { files: TapeFile[] }) {
  const total = files.reduce((sum, file) => sum + file.stored, 0);
  if (total === 0) return null;
  let at = 0;
  return (
    <svg class="tape-map" viewBox="0 0 1000 30" preserveAspectRatio="none" role="img" aria-label={`${plural(files.length, "file")} on ${bytes(total)} of the medium`}>
      {files.slice(0, MAX_SHOWN).map((file) => {
        const x = (at / total) * 1000;
        const width = (file.stored / total) * 1000;
        at += file.stored;
        return (
          <g key={file.object}>
            <rect class={file.file % 2 ? "map-odd" : "map-even"} x={x} y={4} width={width} height={22} />
            {file.end === "filemark" && <line class="tape-mark" x1={x + width} x2={x + width} y1={0} y2={30} />}
          </g>
        );
      })}
    </svg>
  );
}

interface MapState {
  files: TapeFile[];
  next: number | undefined;
  state: "reading" | "done" | string;
}

export function TapeMap({ barcode, partition, version }: { barcode: string; partition: number; version: unknown }) {
  const map = useSignal<MapState>({ files: [], next: 0, state: "reading" });
  const read = async (from: MapState, signal: AbortSignal): Promise<void> => {
    let { files, next } = from;
    map.value = { ...from, state: "reading" };
    try {
      for (let part = 0; part < PARTS && next !== undefined; part++) {
        const path = `/v1/cartridges/${encodeURIComponent(barcode)}/files`;
        const page: { files: TapeFile[]; next?: number } = await getWhenFree(withQuery(path, { partition, object: next }), signal);
        files = append(files, page.files);
        next = page.next;
      }
      map.value = { files, next, state: "done" };
    } catch (error) {
      if (!signal.aborted) map.value = { files, next, state: messageOf(error) };
    }
  };
  useEffect(() => {
    const end = new AbortController();
    void read({ files: [], next: 0, state: "reading" }, end.signal);
    return () => end.abort();
  }, [barcode, partition, version]);
  const { files, next, state } = map.value;
  if (state !== "done" && files.length === 0) return <p class={state === "reading" ? "muted" : "bad"}>{state === "reading" ? "Reading…" : state}</p>;
  if (files.length === 0) return <p class="muted">The partition has no data.</p>;
  const total = (of: "blocks" | "bytes" | "stored"): number => files.reduce((sum, file) => sum + file[of], 0);
  const shown = files.slice(0, MAX_SHOWN);
  return (
    <>
      <p>
        {plural(files.length, "file")}, {plural(total("blocks"), "block")}: {bytes(total("bytes"))} written, {bytes(total("stored"))} on the medium
        {next !== undefined && " (the first part of the tape)"}
      </p>
      <Bar files={files} />
      <Table label={`Files of partition ${partition}`} columns={COLUMNS} items={shown} keyOf={(file) => file.object} />
      {shown.length < files.length && (
        <p class="muted">
          The first {count(MAX_SHOWN)} of {count(files.length)} files are shown.
        </p>
      )}
      {state !== "done" && state !== "reading" && <p class="bad">{state}</p>}
      {next !== undefined && (
        <button class="quiet" disabled={state === "reading"} onClick={() => void read(map.value, new AbortController().signal)}>
          Read more of the map
        </button>
      )}
    </>
  );
}
