// Hosts: the iSCSI portals with their counters, and logins and logouts.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get } from "../api";
import { log } from "../events";
import { bytes, count, dateTime, eventDetail, eventName } from "../format";
import { libraries } from "../site";
import type { Metrics, PortalMetrics } from "../types";
import { path } from "../ui";

const POLL_MS = 2000;

export function Hosts() {
  const portals = useSignal<PortalMetrics[] | null>(null);
  useEffect(() => {
    const end = new AbortController();
    const poll = (): void => {
      if (document.hidden) return;
      get<Metrics>("/v1/metrics", end.signal)
        .then((metrics) => (portals.value = metrics.portals))
        .catch(() => undefined);
    };
    poll();
    const timer = setInterval(poll, POLL_MS);
    return () => {
      clearInterval(timer);
      end.abort();
    };
  }, []);
  const logins = log.value.filter((event) => event.event.startsWith("log")).slice(-200).reverse();
  return (
    <div class="view">
      <header class="view-head">
        <h1>Hosts</h1>
      </header>
      <section class="panel">
        <h2>iSCSI portals</h2>
        {portals.value === null ? (
          <p class="muted">Reading…</p>
        ) : portals.value.length === 0 ? (
          <p class="muted">This daemon serves no iSCSI portal.</p>
        ) : (
          <div class="scroll" tabIndex={0} role="region" aria-label="iSCSI portals">
            <table>
              <thead>
                <tr>
                  <th scope="col">portal</th>
                  <th scope="col">sessions</th>
                  <th scope="col">connections</th>
                  <th scope="col">logins</th>
                  <th scope="col">refused</th>
                  <th scope="col">received</th>
                  <th scope="col">sent</th>
                </tr>
              </thead>
              <tbody>
                {portals.value.map((portal) => (
                  <tr key={portal.address}>
                    <td class="mono">{portal.address}</td>
                    <td>{count(portal.sessions)}</td>
                    <td>{count(portal.connections)}</td>
                    <td>{count(portal.logins)}</td>
                    <td>
                      {Object.entries(portal.logins_refused)
                        .map(([status, number]) => `${count(number)} (status ${status}h)`)
                        .join(", ") || "none"}
                    </td>
                    <td>{bytes(portal.received_bytes)}</td>
                    <td>{bytes(portal.sent_bytes)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      <section class="panel">
        <h2>Targets</h2>
        <ul class="plain">
          {libraries.value.map(({ summary, drives }) => (
            <li key={summary.name}>
              <span class="mono">{summary.target}</span>: changer of {summary.name} at LUN {summary.lun}
              {drives.map((drive) => (
                <span key={drive.serial}>
                  , <a href={path("drive", summary.name, `drive${drive.number}`)}>drive{drive.number}</a> at LUN {drive.lun}
                </span>
              ))}
            </li>
          ))}
        </ul>
      </section>
      <section class="panel">
        <h2>Logins and logouts</h2>
        {logins.length === 0 ? (
          <p class="muted">None among the events that this page has.</p>
        ) : (
          <div class="scroll tall" tabIndex={0} role="region" aria-label="Logins and logouts">
            <table>
              <thead>
                <tr>
                  <th scope="col">time</th>
                  <th scope="col">event</th>
                  <th scope="col">initiator</th>
                  <th scope="col">target</th>
                </tr>
              </thead>
              <tbody>
                {logins.map((event) => (
                  <tr key={`${event.start}/${event.seq}`}>
                    <td class="mono">{dateTime(event.at)}</td>
                    <td>{eventName(event.event)}</td>
                    <td>{eventDetail(event)}</td>
                    <td class="mono">{String(event.target ?? "")}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
    </div>
  );
}
