// A chart of bytes per second, and the position on a tape as a bar. Both are plain SVG.

import { bytes, count, plural } from "../format";
import type { Position } from "../types";

export interface Rate {
  written: number;
  read: number;
}

export const CHART_SECONDS = 60;
const WIDTH = 600;
const HEIGHT = 150;
const TOP = 10;

/** The next of 1, 2, 5, 10, 20 … above a value. */
export function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? 10 * power;
}

export function RateChart({ rates }: { rates: Rate[] }) {
  const last = rates.at(-1) ?? { written: 0, read: 0 };
  const top = niceAbove(Math.max(1_000_000, ...rates.flatMap((rate) => [rate.written, rate.read])));
  const x = (index: number): number => WIDTH - ((rates.length - 1 - index) * WIDTH) / (CHART_SECONDS - 1);
  const y = (value: number): number => HEIGHT - (value / top) * (HEIGHT - TOP);
  const line = (of: (rate: Rate) => number): string => rates.map((rate, index) => `${x(index).toFixed(1)},${y(of(rate)).toFixed(1)}`).join(" ");
  const area = (of: (rate: Rate) => number): string => (rates.length ? `${x(0)},${HEIGHT} ${line(of)} ${WIDTH},${HEIGHT}` : "");
  const words = `Written ${bytes(last.written)} per second, read ${bytes(last.read)} per second`;
  return (
    <figure class="chart">
      <figcaption>
        <span class="key key-written">written</span> <strong data-rate="written">{bytes(last.written)}/s</strong>
        <span class="key key-read">read</span> <strong data-rate="read">{bytes(last.read)}/s</strong>
        <span class="muted chart-top">top {bytes(top)}/s, last {CHART_SECONDS} s</span>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={words}>
        {[0.25, 0.5, 0.75].map((part) => (
          <line key={part} class="chart-line" x1="0" x2={WIDTH} y1={y(part * top)} y2={y(part * top)} />
        ))}
        <polygon class="area-written" points={area((rate) => rate.written)} />
        <polyline class="line-written" points={line((rate) => rate.written)} />
        <polyline class="line-read" points={line((rate) => rate.read)} />
      </svg>
    </figure>
  );
}

export interface TapeMap {
  /** Highest LOGICAL OBJECT IDENTIFIER that a command has reached. */
  extent: number;
  /** LOGICAL OBJECT IDENTIFIERs of filemarks. */
  filemarks: number[];
}

const MAX_MARKS = 400;

export function TapeBar({ position, map }: { position: Position | null; map: TapeMap }) {
  if (!position) return <p class="muted">No tape is threaded.</p>;
  const extent = Math.max(map.extent, position.object, 1);
  const at = (object: number): number => (object / extent) * 1000;
  const step = Math.ceil(map.filemarks.length / MAX_MARKS);
  const marks = map.filemarks.filter((_, index) => index % step === 0);
  const words = `Partition ${position.partition}, object ${count(position.object)} of ${count(extent)} that commands have reached`;
  return (
    <div class="tape">
      <svg viewBox="0 0 1000 40" preserveAspectRatio="none" role="img" aria-label={`${words}; ${plural(map.filemarks.length, "filemark")} seen`}>
        <rect class="tape-all" x="0" y="8" width="1000" height="24" rx="3" />
        <rect class="tape-done" x="0" y="8" width={at(position.object)} height="24" rx="3" />
        {marks.map((object) => (
          <line key={object} class="tape-mark" x1={at(object)} x2={at(object)} y1="8" y2="32" />
        ))}
        <path class="tape-head" d={`M${at(position.object)} 4v32`} />
      </svg>
      <p>
        partition {position.partition}, object <strong data-position>{count(position.object)}</strong>
        {map.filemarks.length > 0 && `, ${plural(map.filemarks.length, "filemark")} seen`}
      </p>
    </div>
  );
}
