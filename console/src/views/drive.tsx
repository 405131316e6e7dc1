// One drive: its cartridge, its throughput, its alerts, and the commands of hosts.

import { useSignal, type Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, may, request, withQuery } from "../api";
import { useDocument } from "../document";
import { log } from "../events";
import { bytes, count, duration, eventDetail, eventName, kindName, plural, reservationText, timeOfDay } from "../format";
import { movedWords, whyNotFrom, whyNotTo } from "../moves";
import { CHART_SECONDS, RateChart, TapeBar, type Rate, type TapeMap } from "../parts/chart";
import { Icon } from "../parts/icon";
import { Spine } from "../parts/spine";
import { findLibrary, pollUnits, revision, type Library } from "../site";
import type { Alert, Drive, DriveMetrics, IscsiSession, Metrics, Moved, Page, Trace, TraceRecord } from "../types";
import { act, path } from "../ui";
import { driveState, unload } from "./rack";

const POLL_MS = 1000;
/** As many as the daemon keeps. */
const MAX_TRACE = 4096;

interface Live {
  metrics: Signal<DriveMetrics | null>;
  rates: Signal<Rate[]>;
}

/** Reads the measurements of a drive once a second while it is shown. */
function useMetrics(library: string, drive: string): Live {
  const metrics = useSignal<DriveMetrics | null>(null);
  const rates = useSignal<Rate[]>([]);
  useEffect(() => {
    metrics.value = null;
    rates.value = [];
    let last: { at: number; of: DriveMetrics } | undefined;
    const end = new AbortController();
    const poll = async (): Promise<void> => {
      if (document.hidden) return;
      try {
        const site = await get<Metrics>("/v1/metrics", end.signal);
        const now = site.libraries.find((item) => item.name === library)?.drives.find((item) => item.name === drive);
        if (!now) return;
        const at = performance.now();
        if (last) {
          const seconds = (at - last.at) / 1000;
          const rate = (key: "written_bytes" | "read_bytes"): number => Math.max(0, now[key] - last!.of[key]) / seconds;
          rates.value = [...rates.value, { written: rate("written_bytes"), read: rate("read_bytes") }].slice(-CHART_SECONDS);
        }
        last = { at, of: now };
        metrics.value = now;
      } catch {
        last = undefined;
      }
    };
    void poll();
    const timer = setInterval(() => void poll(), POLL_MS);
    return () => {
      clearInterval(timer);
      end.abort();
    };
  }, [library, drive]);
  return { metrics, rates };
}

/** Follows the commands of hosts to a drive while it is shown and not paused. */
function useTrace(library: string, unit: string, paused: boolean): { commands: Signal<TraceRecord[]>; lost: Signal<number> } {
  const commands = useSignal<TraceRecord[]>([]);
  const lost = useSignal(0);
  useEffect(() => {
    if (paused) return;
    const end = new AbortController();
    let since: number | undefined;
    let start: string | undefined;
    const follow = async (): Promise<void> => {
      while (!end.signal.aborted) {
        try {
          const trace = await get<Trace>(withQuery("/v1/trace", { library, unit, since, wait_ms: since === undefined ? 0 : 1000, max: 1000 }), end.signal);
          if (start !== undefined && trace.start !== start) commands.value = [];
          if (since !== undefined) lost.value += trace.lost;
          ({ start, last: since } = trace);
          const known = commands.value.at(-1)?.seq ?? 0;
          const news = trace.commands.filter((command) => command.seq > known);
          if (news.length) commands.value = [...commands.value, ...news].slice(-MAX_TRACE);
          // At most two updates in a second.
          await new Promise((resolve) => setTimeout(resolve, 500));
        } catch {
          if (end.signal.aborted) return;
          since = undefined;
          await new Promise((resolve) => setTimeout(resolve, 2000));
        }
      }
    };
    void follow();
    return () => end.abort();
  }, [library, unit, paused]);
  return { commands, lost };
}

/** The filemarks and the furthest object of the tape, from the commands since the last load. */
export function tapeMap(commands: TraceRecord[], partition: number): TapeMap {
  const filemarks = new Set<number>();
  let extent = 0;
  for (const { position_before: before, position_after: after, decoded, outcome } of commands) {
    const name = decoded.command ?? "";
    if (!after || !before || name.startsWith("LOAD UNLOAD")) {
      filemarks.clear();
      extent = 0;
      continue;
    }
    if (after.partition !== partition || before.partition !== partition) continue;
    extent = Math.max(extent, before.object, after.object);
    const isFilemarks = name.startsWith("WRITE FILEMARKS");
    if (isFilemarks || (/^WRITE/.test(name) && outcome === "completed" && after.object > before.object)) {
      // A write ends the data: filemarks behind it are gone.
      for (const mark of filemarks) if (mark >= before.object) filemarks.delete(mark);
      extent = after.object;
    }
    if (isFilemarks) for (let object = before.object; object < after.object; object++) filemarks.add(object);
    if (/^READ/.test(name) && decoded.sense?.includes("Filemark detected") && after.object > before.object) filemarks.add(after.object - 1);
  }
  return { extent, filemarks: [...filemarks].sort((a, b) => a - b) };
}

function ratio(metrics: DriveMetrics): string {
  const { written_bytes: written, written_to_medium_bytes: stored } = metrics;
  return stored > 0 ? `${(written / stored).toFixed(2)} : 1` : "nothing written";
}

function Facts({ drive, metrics }: { drive: Drive; metrics: DriveMetrics | null }) {
  if (drive.daemon) {
    return (
      <p>
        The daemon <b>{drive.daemon}</b> serves this drive. Its console has the measurements and commands; the serial number is{" "}
        <span class="mono">{drive.serial}</span>.
      </p>
    );
  }
  if (!metrics) return <p class="muted">Reading the measurements…</p>;
  const failures = metrics.read_failures + metrics.write_failures;
  return (
    <dl class="facts">
      <dt>Written by hosts</dt>
      <dd data-fact="written">{bytes(metrics.written_bytes)}</dd>
      <dt>Read by hosts</dt>
      <dd>{bytes(metrics.read_bytes)}</dd>
      <dt>Compression</dt>
      <dd>{ratio(metrics)}</dd>
      <dt>Filemarks written</dt>
      <dd>{count(metrics.filemarks)}</dd>
      <dt>Failed objects</dt>
      <dd class={failures ? "bad" : ""}>{failures ? `${count(failures)} (read ${metrics.read_failures}, write ${metrics.write_failures})` : "none"}</dd>
      <dt>Commands queued</dt>
      <dd>{count(metrics.queue_depth)}</dd>
      <dt>Loads, cleanings</dt>
      <dd>
        {count(metrics.loads)}, {count(metrics.cleanings)}
      </dd>
      <dt>Serial number</dt>
      <dd class="mono">{drive.serial}</dd>
      <dt>LUN</dt>
      <dd>{drive.lun}</dd>
    </dl>
  );
}

function Alerts({ library, drive }: { library: string; drive: string }) {
  const alerts = useSignal<Alert[]>([]);
  useEffect(() => {
    const end = new AbortController();
    get<Page<Alert>>(withQuery("/v1/alerts", { library, drive }), end.signal)
      .then((page) => (alerts.value = page.items.filter((alert) => alert.raised)))
      .catch(() => undefined);
    return () => end.abort();
  }, [library, drive, revision.value]);
  if (alerts.value.length === 0) return <p class="muted">No TapeAlert flag is raised.</p>;
  return (
    <ul class="plain">
      {alerts.value.map((alert) => (
        <li key={alert.flag} class="alert-row">
          <span class="badge badge-alert">
            <Icon name="alert" /> {alert.flag}
          </span>
          {alert.name}
          {may("operate") && (
            <button class="quiet small" onClick={() => clearAlert(alert)}>
              Clear flag {alert.flag}
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}

export const clearAlert = (alert: Alert): Promise<boolean> =>
  act(`TapeAlert flag ${alert.flag} cleared`, () =>
    request("PUT", `/v1/alerts/${alert.flag}`, {
      library: alert.library,
      ...(alert.drive ? { drive: alert.drive } : {}),
      raised: false,
    }),
  );

const SESSION_POLL_MS = 3000;

/** The hosts that are logged in to the target of the drive, and their settings: reservation, medium removal, encryption. */
function Protection({ drive, target }: { drive: Drive; target: string }) {
  const sessions = useDocument<Page<IscsiSession>>("/v1/sessions", { pollMs: SESSION_POLL_MS }).value.value?.items;
  const ofTarget = sessions?.filter((session) => session.target === target);
  return (
    <dl class="facts">
      <dt>Logged in</dt>
      <dd>
        {ofTarget?.length === 0 && "no host"}
        {ofTarget?.map((session) => (
          <div key={`${session.portal} ${session.tsih}`}>
            {session.initiator} from {session.peer}
          </div>
        ))}
      </dd>
      <dt>Reservation</dt>
      <dd>{reservationText(drive.reservation)}</dd>
      <dt>Medium removal</dt>
      <dd>{drive.removal_prevented ? "prevented by a host" : "allowed"}</dd>
      <dt>Encryption</dt>
      <dd>{drive.encrypting ? "a host has set a key: blocks are encrypted" : "off"}</dd>
    </dl>
  );
}

function LoadForm({ library, drive, name }: { library: Library; drive: Drive; name: string }) {
  revision.value;
  const chosen = useSignal("");
  const loadable = library.slots.concat(library.io).filter((element) => element.cartridge && !element.fault);
  const cleaning = loadable.find((element) => element.kind === "cleaning" && !element.unusable);
  const load = (cartridge: string) =>
    act(movedWords, () => request<Moved>("POST", "/v1/loads", { library: library.summary.name, cartridge, drive: name }));
  const reason = whyNotTo(library, name, drive) ?? whyNotFrom(library, name, drive);
  if (reason) return <p class="bad">No cartridge can be loaded: {reason}.</p>;
  return (
    <form
      class="row"
      onSubmit={(event) => {
        event.preventDefault();
        if (chosen.value.trim()) void load(chosen.value.trim()).then((done) => done && (chosen.value = ""));
      }}
    >
      <label>
        Barcode
        <input class="mono" list="loadable" required value={chosen.value} onInput={(event) => (chosen.value = event.currentTarget.value)} />
      </label>
      <datalist id="loadable">
        {loadable.slice(0, 500).map((element) => (
          <option key={element.cartridge} value={element.cartridge} />
        ))}
      </datalist>
      <button type="submit">Load</button>
      {cleaning && (
        <button type="button" class="quiet" onClick={() => void load(cleaning.cartridge!)}>
          Clean with {cleaning.cartridge}
        </button>
      )}
    </form>
  );
}

function TraceRow({ command }: { command: TraceRecord }) {
  const fields = Object.entries(command.decoded.fields)
    .filter(([, value]) => value !== 0 && value !== false)
    .map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(" ");
  const moved = command.bytes_out ? `out ${bytes(command.bytes_out)}` : command.bytes_in ? `in ${bytes(command.bytes_in)}` : "";
  const bad = command.decoded.sense || command.outcome !== "completed";
  return (
    <tr class={bad ? "trace-bad" : ""}>
      <td class="mono">{timeOfDay(command.at_ms)}</td>
      <td>
        <strong>{command.decoded.command ?? "unknown command"}</strong> <span class="muted">{fields}</span>
      </td>
      <td>{moved}</td>
      <td>{command.position_after ? count(command.position_after.object) : ""}</td>
      <td>
        {command.outcome === "completed" ? command.decoded.status : command.outcome}
        {command.decoded.sense && `: ${command.decoded.sense}`}
        {command.injected && " (injected fault)"}
      </td>
      <td>{duration(command.run_us)}</td>
    </tr>
  );
}

function Commands({ commands, lost, paused }: { commands: TraceRecord[]; lost: number; paused: Signal<boolean> }) {
  return (
    <section class="panel wide">
      <h2>
        Commands of hosts
        <button class="quiet small" aria-pressed={paused.value} onClick={() => (paused.value = !paused.value)}>
          {paused.value ? "Continue" : "Pause"}
        </button>
      </h2>
      {lost > 0 && <p class="muted">{plural(lost, "command")} came faster than this page reads and are not shown.</p>}
      {commands.length === 0 ? (
        <p class="muted">No host has sent a command since the start of the daemon.</p>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Commands of hosts">
          <table>
            <thead>
              <tr>
                <th scope="col">time</th>
                <th scope="col">command</th>
                <th scope="col">bytes</th>
                <th scope="col">object after</th>
                <th scope="col">status</th>
                <th scope="col">executed in</th>
              </tr>
            </thead>
            <tbody>
              {commands
                .slice(-100)
                .reverse()
                .map((command) => (
                  <TraceRow key={command.seq} command={command} />
                ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

/** The state of the tape in a drive. */
const driveTape = (drive: Drive): string =>
  drive.threaded ? "threaded" : drive.thawing ? "being thawed" : drive.ejected ? "ejected" : "not threaded";

export function DriveView({ libraryName, name }: { libraryName: string; name: string }) {
  revision.value;
  const library = findLibrary(libraryName);
  const drive = library?.drives.find((item) => `drive${item.number}` === name);
  const paused = useSignal(false);
  useEffect(pollUnits, []);
  const live = useMetrics(libraryName, name);
  const { commands, lost } = useTrace(libraryName, name, paused.value);
  if (!library || !drive) return <p class="muted">There is no {name} in library {libraryName}.</p>;
  const state = driveState(drive);
  const metrics = live.metrics.value;
  const lastSense = commands.value.findLast((command) => command.decoded.sense);
  const blocked = whyNotFrom(library, name, drive);
  const events = log.value.filter((event) => event.library === libraryName && event.unit === name).slice(-6).reverse();
  const setOnline = (online: boolean) =>
    act(`${name} ${online ? "online" : "offline"}`, () =>
      request("PATCH", `/v1/drives/${name}?library=${encodeURIComponent(libraryName)}`, { online }),
    );
  return (
    <div class="view">
      <header class="view-head">
        <div>
          <p class="crumbs">
            <a href={path("rack", libraryName)}>{libraryName}</a> /
          </p>
          <h1>
            {name} <small>{drive.model}</small>
          </h1>
        </div>
        <span class={`lamp lamp-${state.tone}`}>
          <span class="lamp-sign" aria-hidden="true" />
          {state.word}
        </span>
        {may("operate") && (
          <div class="buttons">
            {drive.cartridge && !blocked && <button onClick={() => void unload(libraryName, name)}>Unload</button>}
            <button class="quiet" onClick={() => void setOnline(!drive.online || !!drive.faulty)}>
              {drive.online && !drive.faulty ? "Set offline" : "Set online"}
            </button>
          </div>
        )}
      </header>
      {drive.faulty && <p class="banner bad">{drive.faulty}</p>}
      {drive.refused && <p class="banner bad">The drive cannot use the cartridge: {drive.refused}</p>}
      {drive.thawing && (
        <p class="banner">
          The cartridge is being thawed, {drive.thawing.ready} of {plural(drive.thawing.objects, "object")}. It is loaded afterwards.
        </p>
      )}
      {drive.cartridge && blocked && (
        <p class="banner">
          <Icon name="lock" /> The cartridge cannot be unloaded: {blocked}.
        </p>
      )}
      <div class="panels">
        <section class="panel">
          <h2>Cartridge</h2>
          {drive.cartridge ? (
            <p class="loaded">
              <a href={path("cartridge", drive.cartridge)} aria-label={drive.cartridge}>
                <Spine element={drive} />
              </a>
              {kindName(drive.kind)}, {driveTape(drive)}
            </p>
          ) : may("operate") ? (
            <LoadForm library={library} drive={drive} name={name} />
          ) : (
            <p class="muted">empty</p>
          )}
          <h3>Position</h3>
          <TapeBar position={metrics?.position ?? null} map={tapeMap(commands.value, metrics?.position?.partition ?? 0)} />
        </section>
        <section class="panel">
          <h2>Bytes now</h2>
          <RateChart rates={live.rates.value} />
        </section>
        <section class="panel">
          <h2>Since the start of the daemon</h2>
          <Facts drive={drive} metrics={metrics} />
        </section>
        <section class="panel">
          <h2>Alerts and protection</h2>
          <Alerts library={libraryName} drive={name} />
          <Protection drive={drive} target={library.summary.target} />
          <h3>Last sense data</h3>
          <p>
            {lastSense ? (
              <>
                {lastSense.decoded.sense} <span class="muted">({lastSense.decoded.command}, {timeOfDay(lastSense.at_ms)})</span>
              </>
            ) : (
              <span class="muted">none among the last commands</span>
            )}
          </p>
          {events.length > 0 && (
            <>
              <h3>Last events</h3>
              <ul class="plain">
                {events.map((event) => (
                  <li key={event.seq}>
                    <span class="mono muted">{timeOfDay(event.at)}</span> {eventName(event.event)} {event.barcode && <span class="mono">{event.barcode}</span>}{" "}
                    {eventDetail(event)}
                  </li>
                ))}
              </ul>
            </>
          )}
        </section>
        <Commands commands={commands.value} lost={lost.value} paused={paused} />
      </div>
    </div>
  );
}
