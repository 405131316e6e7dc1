// Alerts, and the events of the site as they come.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { acknowledge, acknowledgementOf, unacknowledgedEvents } from "../alerts";
import { get, may, request, withQuery } from "../api";
import { log } from "../events";
import { dateTime, eventDetail, eventName, initiatorName, isSevere } from "../format";
import { NumberField, Select, type Option } from "../parts/fields";
import { Icon } from "../parts/icon";
import { Listing } from "../parts/listing";
import type { Column } from "../parts/table";
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

/** Options whose texts are their values. */
const same = (values: readonly string[]): Option<string>[] => values.map((value) => [value, value]);

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
      <Select label="Library" value={library} options={same(libraries.value.map(({ summary }) => summary.name))} />
      {may("admin") && (
        <form class="row" onSubmit={inject}>
          <Select label="Operation of the robot that fails next" value={fault} options={same(FAULTS)} />
          <button type="submit" class="quiet">
            Inject
          </button>
        </form>
      )}
      <form class="row" onSubmit={raise}>
        <Select label="Unit" value={unit} options={[["", "changer"], ...same(drives.map((drive) => `drive${drive.number}`))]} />
        <NumberField label="TapeAlert flag" value={flag} min={1} max={64} />
        <button type="submit" class="quiet">
          Raise
        </button>
      </form>
    </details>
  );
}

const SOURCES = ["host", "operator", "unit", "site"];

const keyOf = (event: SiteEvent): string => `${event.start}/${event.seq}`;

function Severity({ event }: { event: SiteEvent }) {
  const given = acknowledgementOf(event);
  return (
    <span class={given ? "muted" : "bad"} title={given && `acknowledged by ${given.by}, ${dateTime(given.at)}`}>
      <Icon name={given ? "check" : "alert"} />
      {given && <span class="visually-hidden">acknowledged by {given.by}</span>}{" "}
    </span>
  );
}

const COLUMNS: Column<SiteEvent>[] = [
  ["time", (event) => dateTime(event.at), "mono"],
  [
    "event",
    (event) => (
      <>
        {isSevere(event) && <Severity event={event} />}
        {eventName(event.event)}
      </>
    ),
  ],
  ["object", (event) => <Subject event={event} />],
  ["detail", (event) => eventDetail(event)],
  [
    "source",
    (event) => (
      <>
        {event.source}
        {event.initiator && event.source === "host" && <span class="muted"> {initiatorName(event.initiator)}</span>}
      </>
    ),
  ],
];

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
              {may("operate") && (
                <button class="quiet small" onClick={() => void acknowledge(open)}>
                  Acknowledge all
                </button>
              )}
            </h2>
            <ul class="plain" data-open-alerts>
              {open.slice(-50).reverse().map((event) => (
                <li key={`${event.start}/${event.seq}`} class="alert-row">
                  <span class="mono muted">{dateTime(event.at)}</span> <strong>{eventName(event.event)}</strong> <Subject event={event} /> {eventDetail(event)}
                  {may("operate") && (
                    <button class="quiet small" aria-label={`Acknowledge event ${event.seq}`} onClick={() => void acknowledge([event])}>
                      Acknowledge
                    </button>
                  )}
                </li>
              ))}
            </ul>
            <p class="muted">An acknowledgement has your name and is for every browser; the flags stay raised until they are cleared.</p>
          </>
        )}
      </section>
      <section class="panel">
        <div class="row filters">
          <input type="search" aria-label="Search in events" placeholder="Barcode, drive, initiator…" value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
          <Select filter label="Filter by source" value={source} options={[["", "all sources"], ...same(SOURCES)]} />
          <Select filter label="Filter by kind" value={kind} options={[["", "all events"], ["alerts", "alerts only"], ...kinds.map((name): Option<string> => [name, eventName(name)])]} />
        </div>
        <Listing tall label="Events" columns={COLUMNS} items={shown} keyOf={keyOf}>
          {log.value.length === 0 ? "No event yet." : "No event matches."}
        </Listing>
      </section>
      {may("operate") && libraries.value.length > 0 && <FaultForms />}
    </div>
  );
}
