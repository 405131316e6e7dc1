// Hosts: the iSCSI portals with their counters, the open sessions, and logins and logouts.

import { useDocument } from "../document";
import { log } from "../events";
import { bytes, count, dateTime, eventDetail, eventName } from "../format";
import { Listing } from "../parts/listing";
import type { Column } from "../parts/table";
import { libraries } from "../site";
import type { IscsiSession, Metrics, Page, PortalMetrics, SiteEvent } from "../types";
import { path } from "../ui";
import { drivePlace } from "./rack";

const POLL_MS = 2000;

const refusals = (portal: PortalMetrics): string =>
  Object.entries(portal.logins_refused)
    .map(([status, number]) => `${count(number)} (status ${status}h)`)
    .join(", ") || "none";

const PORTAL_COLUMNS: Column<PortalMetrics>[] = [
  ["portal", (portal) => portal.address, "mono"],
  ["sessions", (portal) => count(portal.sessions)],
  ["connections", (portal) => count(portal.connections)],
  ["logins", (portal) => count(portal.logins)],
  ["refused", refusals],
  ["received", (portal) => bytes(portal.received_bytes)],
  ["sent", (portal) => bytes(portal.sent_bytes)],
];

const SESSION_COLUMNS: Column<IscsiSession>[] = [
  ["initiator", (session) => session.initiator, "mono"],
  ["address", (session) => session.peer, "mono"],
  ["library", (session) => libraries.value.filter(({ summary }) => summary.target === session.target).map(({ summary }) => summary.name).join(", ") || session.target],
  ["since", (session) => dateTime(session.since), "mono"],
  ["ISID", (session) => session.isid, "mono"],
  ["TSIH", (session) => session.tsih],
  ["commands", (session) => count(session.commands)],
  ["received", (session) => bytes(session.received_bytes)],
  ["sent", (session) => bytes(session.sent_bytes)],
];

const LOGIN_COLUMNS: Column<SiteEvent>[] = [
  ["time", (event) => dateTime(event.at), "mono"],
  ["event", (event) => eventName(event.event)],
  ["initiator", eventDetail],
  ["target", (event) => String(event.target ?? ""), "mono"],
];

export function Hosts() {
  const portals = useDocument<Metrics>("/v1/metrics", { pollMs: POLL_MS }).value.value?.portals;
  const sessions = useDocument<Page<IscsiSession>>("/v1/sessions", { pollMs: POLL_MS }).value.value?.items;
  const logins = log.value.filter((event) => event.event.startsWith("log")).slice(-200).reverse();
  return (
    <div class="view">
      <header class="view-head">
        <h1>Hosts</h1>
      </header>
      <section class="panel">
        <h2>iSCSI portals</h2>
        <Listing label="iSCSI portals" columns={PORTAL_COLUMNS} items={portals} keyOf={(portal) => portal.address}>
          This daemon serves no iSCSI portal.
        </Listing>
      </section>
      <section class="panel">
        <h2>
          Sessions <small>{sessions && count(sessions.length)}</small>
        </h2>
        <Listing tall label="Sessions" columns={SESSION_COLUMNS} items={sessions} keyOf={(session) => `${session.portal} ${session.tsih}`}>
          No host is logged in.
        </Listing>
      </section>
      <section class="panel">
        <h2>Targets</h2>
        <ul class="plain">
          {libraries.value.map(({ summary, drives }) => (
            <li key={summary.name}>
              <span class="mono">{summary.target}</span>: {summary.robot_elsewhere ? `drives of ${summary.name}` : `changer of ${summary.name} at LUN ${summary.lun}`}
              {drives.map((drive) => (
                <span key={drive.serial}>
                  , <a href={path("drive", summary.name, `drive${drive.number}`)}>drive{drive.number}</a> at {drivePlace(drive)}
                </span>
              ))}
            </li>
          ))}
        </ul>
      </section>
      <section class="panel">
        <h2>Logins and logouts</h2>
        <Listing tall label="Logins and logouts" columns={LOGIN_COLUMNS} items={logins} keyOf={(event) => `${event.start}/${event.seq}`}>
          None among the events that this page has.
        </Listing>
      </section>
    </div>
  );
}
