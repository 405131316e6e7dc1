// The daemon and its machine, and the support bundle.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get } from "../api";
import { isOutdated, log } from "../events";
import { bytes, count } from "../format";
import { save } from "../parts/save";
import { protocolVersion } from "../site";
import type { Metrics } from "../types";
import { messageOf, notify } from "../ui";

/** The parts of the bundle: each is the document of a path. None of them has secrets. */
const PARTS = ["/v1/status", "/v1/metrics", "/v1/counters", "/v1/pools", "/v1/alerts", "/v1/sessions", "/v1/object-shelves", "/v1/notifications", "/v1/configuration", "/v1/log", "/v1/trace?max=1000"];

async function makeBundle(): Promise<Blob> {
  const parts: Record<string, unknown> = {};
  for (const part of PARTS) {
    parts[part] = await get(part).catch((error: unknown) => ({ error: messageOf(error) }));
  }
  const bundle = {
    format: "ferric-support-bundle",
    made: new Date().toISOString(),
    browser: navigator.userAgent,
    console: document.querySelector("script[src]")?.getAttribute("src"),
    events: log.value,
    parts,
  };
  return new Blob([JSON.stringify(bundle, null, 1)], { type: "application/json" });
}

export function About() {
  const metrics = useSignal<Metrics | null>(null);
  const busy = useSignal(false);
  useEffect(() => {
    const end = new AbortController();
    get<Metrics>("/v1/metrics", end.signal)
      .then((read) => (metrics.value = read))
      .catch(() => undefined);
    return () => end.abort();
  }, []);
  const bundle = async (): Promise<void> => {
    busy.value = true;
    try {
      const time = new Date().toISOString().slice(0, 19).replaceAll(":", "");
      save(await makeBundle(), `ferric-support-${time}.json`);
      notify("info", "support bundle saved");
    } finally {
      busy.value = false;
    }
  };
  const present = metrics.value;
  const memory = present?.process["resident_bytes"];
  return (
    <div class="view">
      <header class="view-head">
        <h1>About</h1>
      </header>
      <div class="panels">
        <section class="panel">
          <h2>This daemon</h2>
          <dl class="facts">
            <dt>Release</dt>
            <dd>{present?.release ?? "…"}</dd>
            <dt>Control protocol</dt>
            <dd>version {protocolVersion.value}</dd>
            <dt>Console</dt>
            <dd>{isOutdated.value ? "of another release; reload the page" : "of this release"}</dd>
            {typeof memory === "number" && (
              <>
                <dt>Resident memory</dt>
                <dd>{bytes(memory)}</dd>
              </>
            )}
            {typeof present?.process["threads"] === "number" && (
              <>
                <dt>Threads</dt>
                <dd>{count(present.process["threads"])}</dd>
              </>
            )}
          </dl>
          <p>
            <a href="/v1/openapi.json">OpenAPI document of the HTTP API</a>
          </p>
        </section>
        <section class="panel">
          <h2>Storage</h2>
          <dl class="facts">
            {present?.directories.map((directory) => (
              <>
                <dt class="mono break">{directory.directory}</dt>
                <dd>
                  {bytes(directory.free_bytes)} free of {bytes(directory.size_bytes)}
                </dd>
              </>
            ))}
          </dl>
        </section>
        <section class="panel">
          <h2>Support bundle</h2>
          <p>One JSON file with the status, the measurements, the raised alerts, the sessions, the configuration and the log (for administrators), the last commands of hosts and the last events. It has no keys, no passwords, no URLs of webhooks beyond the host and no data of cartridges; it has barcodes and names of initiators.</p>
          <button disabled={busy.value} onClick={() => void bundle()}>
            {busy.value ? "Making…" : "Save support bundle"}
          </button>
        </section>
      </div>
    </div>
  );
}
