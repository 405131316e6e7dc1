// Alerts, and the events of the site as they come.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { acknowledge, isAcknowledged, unacknowledgedEvents } from "../alerts";
import { get, may, request, withQuery } from "../api";
import { log } from "../events";
import { dateTime, eventDetail, eventName, initiatorName, isSevere } from "../format";
import { Icon } from "../parts/icon";
import { libraries, revision } from "../site";
import type { Alert, Page, SiteEvent } from "../types";
import { act, path } from "../ui";
import { clearAlert } from "./drive";

/** Where an event happened, as a link if there is a view of it. */
function Subject({ event }: { event: SiteEvent }) {
  const { library, unit, barcode } = event;
  return (
    <>
      {unit?.startsWith("drive") && library ? (
        <a href={path("drive", library, unit)}>
          {library}/{unit}
        </a>
      ) : (
        [library, unit].filter(Boolean).join("/")
      )}{" "}
      {barcode && (
        <a class="mono" href={path("cartridge", barcode)}>
          {barcode}
        </a>
      )}
    </>
  );
}

function RaisedAlerts() {
  const alerts = useSignal<Alert[]>([]);
  useEffect(() => {
    const end = new AbortController();
    const units = libraries.value.flatMap(({ summary, drives }) => [
      ...(summary.alerts.length > 0 ? [{ library: summary.name, drive: undefined }] : []),
      ...drives.filter((drive) => drive.alerts.length > 0).map((drive) => ({ library: summary.name, drive: `drive${drive.number}` })),
    ]);
    const read = units.map((unit) => get<Page<Alert>>(withQuery("/v1/alerts", unit), end.signal));
    Promise.all(read)
      .then((pages) => {
        const raised = new Map(pages.flatMap((page) => page.items).filter((alert) => alert.raised).map((alert) => [`${alert.library}/${alert.drive}/${alert.flag}`, alert]));
        alerts.value = [...raised.values()];
      })
      .catch(() => undefined);
    return () => end.abort();
  }, [revision.value]);
  const others = libraries.value.flatMap(({ summary, drives }) => [
    ...(summary.faulty ? [{ where: `${summary.name}/changer`, text: summary.faulty }] : []),
    ...drives.flatMap((drive) => {
      const where = `${summary.name}/drive${drive.number}`;
      return [drive.faulty && { where, text: drive.faulty }, drive.refused && { where, text: `cannot use its cartridge: ${drive.refused}` }].filter((item) => !!item);
    }),
  ]);
  if (alerts.value.length + others.length === 0) {
    return (
      <p class="muted">
        <Icon name="check" /> No TapeAlert flag is raised, and no unit is faulty.
      </p>
    );
  }
  return (
    <ul class="plain">
      {others.map(({ where, text }) => (
        <li key={where + text} class="alert-row">
          <span class="badge badge-alert">
            <Icon name="alert" /> {where}
          </span>
          {text}
        </li>
      ))}
      {alerts.value.map((alert) => (
        <li key={`${alert.library}/${alert.drive}/${alert.flag}`} class="alert-row">
          <span class="badge badge-alert">
            <Icon name="alert" /> {alert.library}/{alert.drive ?? "changer"}
          </span>
          TapeAlert {alert.flag}: {alert.name}
          {may("operate") && (
            <button class="quiet small" onClick={() => void clearAlert(alert)}>
              Clear flag {alert.flag}
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}

const FAULTS = ["pick", "place", "load", "unload"] as const;

/** Faults for tests of backup software and monitoring. */
function FaultForms() {
  const library = useSignal(libraries.value[0]?.summary.name ?? "");
  const fault = useSignal<string>(FAULTS[0]);
  const unit = useSignal("");
  const flag = useSignal(3);
  const drives = libraries.value.find(({ summary }) => summary.name === library.value)?.drives ?? [];
  const inject = (event: Event): void => {
    event.preventDefault();
    void act(`the next ${fault.value} fails`, () => request("POST", "/v1/faults", { library: library.value, fault: fault.value }));
  };
  const raise = (event: Event): void => {
    event.preventDefault();
    const drive = unit.value ? { drive: unit.value } : {};
    void act(`TapeAlert flag ${flag.value} raised`, () =>
      request("PUT", `/v1/alerts/${flag.value}`, { library: library.value, ...drive, raised: true }),
    );
  };
  return (
    <details class="panel">
      <summary>Inject faults, for tests</summary>
      <label>
        Library
        <select value={library.value} onChange={(event) => (library.value = event.currentTarget.value)}>
          {libraries.value.map(({ summary }) => (
            <option key={summary.name}>{summary.name}</option>
          ))}
        </select>
      </label>
      {may("admin") && (
        <form class="row" onSubmit={inject}>
          <label>
            Operation of the robot that fails next
            <select value={fault.value} onChange={(event) => (fault.value = event.currentTarget.value)}>
              {FAULTS.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          <button type="submit" class="quiet">
            Inject
          </button>
        </form>
      )}
      <form class="row" onSubmit={raise}>
        <label>
          Unit
          <select value={unit.value} onChange={(event) => (unit.value = event.currentTarget.value)}>
            <option value="">changer</option>
            {drives.map((drive) => (
              <option key={drive.number}>drive{drive.number}</option>
            ))}
          </select>
        </label>
        <label>
          TapeAlert flag
          <input type="number" min={1} max={64} required value={flag.value} onInput={(event) => (flag.value = event.currentTarget.valueAsNumber)} />
        </label>
        <button type="submit" class="quiet">
          Raise
        </button>
      </form>
    </details>
  );
}

const SOURCES = ["host", "operator", "unit", "site"];

export function Events() {
  const text = useSignal("");
  const source = useSignal("");
  const kind = useSignal("");
  revision.value;
  const kinds = [...new Set(log.value.map((event) => event.event))].sort();
  const wanted = text.value.trim().toLowerCase();
  const matches = (event: SiteEvent): boolean =>
    (source.value === "" || event.source === source.value) &&
    (kind.value === "" || (kind.value === "alerts" ? isSevere(event) : event.event === kind.value)) &&
    (wanted === "" || JSON.stringify(event).toLowerCase().includes(wanted));
  const shown = log.value.filter(matches).slice(-500).reverse();
  const open = unacknowledgedEvents.value;
  return (
    <div class="view">
      <header class="view-head">
        <h1>Events and alerts</h1>
      </header>
      <section class="panel">
        <h2>Raised now</h2>
        <RaisedAlerts />
        {open.length > 0 && (
          <>
            <h2>
              Not acknowledged <small>{open.length}</small>
              <button class="quiet small" onClick={() => acknowledge(open)}>
                Acknowledge all
              </button>
            </h2>
            <ul class="plain" data-open-alerts>
              {open.slice(-50).reverse().map((event) => (
                <li key={`${event.start}/${event.seq}`} class="alert-row">
                  <span class="mono muted">{dateTime(event.at)}</span> <strong>{eventName(event.event)}</strong> <Subject event={event} /> {eventDetail(event)}
                  <button class="quiet small" aria-label={`Acknowledge event ${event.seq}`} onClick={() => acknowledge([event])}>
                    Acknowledge
                  </button>
                </li>
              ))}
            </ul>
            <p class="muted">An acknowledgement is of this browser; the flags stay raised until they are cleared.</p>
          </>
        )}
      </section>
      <section class="panel">
        <div class="row filters">
          <input type="search" aria-label="Search in events" placeholder="Barcode, drive, initiator…" value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
          <select aria-label="Filter by source" value={source.value} onChange={(event) => (source.value = event.currentTarget.value)}>
            <option value="">all sources</option>
            {SOURCES.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
          <select aria-label="Filter by kind" value={kind.value} onChange={(event) => (kind.value = event.currentTarget.value)}>
            <option value="">all events</option>
            <option value="alerts">alerts only</option>
            {kinds.map((name) => (
              <option key={name} value={name}>
                {eventName(name)}
              </option>
            ))}
          </select>
        </div>
        {shown.length === 0 ? (
          <p class="muted">{log.value.length === 0 ? "No event yet." : "No event matches."}</p>
        ) : (
          <div class="scroll tall" tabIndex={0} role="region" aria-label="Events">
            <table>
              <thead>
                <tr>
                  <th scope="col">time</th>
                  <th scope="col">event</th>
                  <th scope="col">object</th>
                  <th scope="col">detail</th>
                  <th scope="col">source</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((event) => (
                  <tr key={`${event.start}/${event.seq}`}>
                    <td class="mono">{dateTime(event.at)}</td>
                    <td>
                      {isSevere(event) && (
                        <span class={isAcknowledged(event) ? "muted" : "bad"}>
                          <Icon name={isAcknowledged(event) ? "check" : "alert"} />{" "}
                        </span>
                      )}
                      {eventName(event.event)}
                    </td>
                    <td>
                      <Subject event={event} />
                    </td>
                    <td>{eventDetail(event)}</td>
                    <td>
                      {event.source}
                      {event.initiator && event.source === "host" && <span class="muted"> {initiatorName(event.initiator)}</span>}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      {may("operate") && libraries.value.length > 0 && <FaultForms />}
    </div>
  );
}
