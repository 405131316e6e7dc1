// First start: the parts that an empty site lacks, and the lines that connect a host.

import { useSignal } from "@preact/signals";
import { may, request } from "../api";
import { bytes, count, plural } from "../format";
import { Copyable } from "../parts/copyable";
import { Icon } from "../parts/icon";
import { LibraryForm } from "../parts/library-form";
import { progress } from "../new-library";
import { libraries, pools, portals, revision, type Library } from "../site";
import type { Pool } from "../types";
import { act, path } from "../ui";

/** An address and a port: `127.0.0.1:3260`, `[::1]:3260`. A portal on all addresses is reached by that of this page. */
export function reachable(portal: string, host: string): { address: string; port: string } {
  const [, address, port] = /^(.*):(\d+)$/.exec(portal) ?? [portal, portal, "3260"];
  const any = address === "0.0.0.0" || address === "[::]";
  return { address: any ? host : address!, port: port! };
}

/** The lines that connect each initiator to a library. */
export function connectLines(library: Library, portal: string, host: string): { title: string; text: string }[] {
  const { address, port } = reachable(portal, host);
  const { target, lun } = library.summary;
  const at = `${address}:${port}`;
  const drives = library.drives.filter((drive) => !drive.daemon).map((drive) => drive.lun);
  const units = library.summary.robot_elsewhere ? drives : [lun, ...drives];
  const qemu = units.map((unit) => {
    const node = unit === lun && !library.summary.robot_elsewhere ? "changer" : `tape${unit}`;
    return [
      `-blockdev driver=iscsi,node-name=${node},transport=tcp,portal=${at},target=${target},lun=${unit}`,
      `-device scsi-generic,drive=${node}`,
    ].join(" \\\n  ");
  });
  return [
    {
      title: "Linux (open-iscsi)",
      text: [`iscsiadm -m discovery -t sendtargets -p ${at}`, `iscsiadm -m node -T ${target} -p ${at} --login`].join("\n"),
    },
    {
      title: "Windows (PowerShell)",
      text: [
        `New-IscsiTargetPortal -TargetPortalAddress ${address.replace(/[[\]]/g, "")} -TargetPortalPortNumber ${port}`,
        `Connect-IscsiTarget -NodeAddress ${target} -IsPersistent $true`,
      ].join("\n"),
    },
    { title: "QEMU", text: ["-device virtio-scsi-pci", ...qemu].join(" \\\n  ") },
  ];
}

function CreateForm({ pool }: { pool: Pool }) {
  const number = useSignal(10);
  const busy = useSignal(false);
  const create = async (event: Event): Promise<void> => {
    event.preventDefault();
    busy.value = true;
    await act(
      (result: { created: string[] }) => `${plural(result.created.length, "cartridge")} created`,
      () => request("POST", `/v1/pools/${encodeURIComponent(pool.pool)}/cartridges`, { count: number.value }),
    );
    busy.value = false;
  };
  return (
    <form class="row" onSubmit={create}>
      <label>
        Cartridges of pool {pool.pool} ({pool.pattern}, {bytes(pool.size)} each)
        <input type="number" min={1} max={10_000} required value={number.value} onInput={(event) => (number.value = event.currentTarget.valueAsNumber)} />
      </label>
      <button type="submit" disabled={busy.value}>
        {busy.value ? "Creating…" : "Create"}
      </button>
    </form>
  );
}

function Step({ done, title, children }: { done: boolean; title: string; children: preact.ComponentChildren }) {
  return (
    <li class={done ? "step step-done" : "step"}>
      <h2>
        <span class="step-sign">{done ? <Icon name="check" /> : null}</span> {title} <small>{done ? "done" : "to do"}</small>
      </h2>
      {children}
    </li>
  );
}

function Reload() {
  if (!may("admin")) return null;
  const reload = () =>
    act((result: { changes: unknown[] }) => (result.changes.length ? plural(result.changes.length, "change") : "the configuration has no changes"), () =>
      request("POST", "/v1/reload", {}),
    );
  return (
    <button class="quiet" onClick={() => void reload()}>
      Read the configuration file again
    </button>
  );
}

export function Setup() {
  revision.value;
  const holds = (element: { cartridge?: string }): boolean => element.cartridge !== undefined;
  const total = libraries.value.reduce((sum, { slots, io, drives }) => sum + [...slots, ...io, ...drives].filter(holds).length, 0);
  const drives = libraries.value.reduce((sum, library) => sum + library.drives.length, 0);
  const portal = portals.value[0];
  const local = portal !== undefined && /^(127\.|\[::1\])/.test(portal);
  return (
    <div class="view">
      <header class="view-head">
        <h1>Set up</h1>
      </header>
      <ol class="steps">
        <Step done={drives > 0} title="Libraries and drives">
          {libraries.value.map((library) => (
            <p key={library.summary.name}>
              <a href={path("rack", library.summary.name)}>{library.summary.name}</a>: {library.summary.model}, {plural(library.drives.length, "drive")} (
              {[...new Set(library.drives.map((drive) => drive.model))].join(", ")}), {plural(library.slots.length, "slot")}
            </p>
          ))}
          {!may("admin") ? (
            libraries.value.length === 0 && <p>The site has no library. An administrator chooses the first one here.</p>
          ) : libraries.value.length === 0 ? (
            <>
              <p>The site has no library yet. Choose its first one.</p>
              <LibraryForm />
            </>
          ) : portal === undefined ? (
            // The libraries of a daemon without iSCSI are those of mhvtl's configuration.
            null
          ) : (
            <details>
              <summary>Add a library</summary>
              <LibraryForm key={libraries.value.length} />
            </details>
          )}
          <details>
            <summary>Change the configuration file</summary>
            <p>
              The <a href={path("configuration")}>configuration</a> is a file of the daemon (<code>--config FILE</code>); <code>ferric config check FILE</code> checks it. New libraries, drives and slots appear when
              the file is read again; other changes need a restart.
            </p>
            <Reload />
          </details>
        </Step>
        <Step done={total > 0} title="Cartridges">
          <p role="status">{progress.value || (total > 0 ? `${plural(total, "cartridge")} in the libraries.` : "The libraries hold no cartridge.")}</p>
          {pools.value.length > 0 && may("operate") && pools.value.map((pool) => <CreateForm key={pool.pool} pool={pool} />)}
          {pools.value.length === 0 && libraries.value.length > 0 && (
            <p>
              Cartridges are created in pools, and this site has none. Add a table <code>[[pool]]</code> with a name and a pattern of barcodes to the configuration file, then let the daemon read it again. <Reload />
            </p>
          )}
        </Step>
        <Step done={!!portal && libraries.value.length > 0} title="Connect a host">
          {libraries.value.length === 0 ? (
            <p>The lines for initiators appear here when the site has a library.</p>
          ) : portal === undefined ? (
            <p>This daemon serves no iSCSI portal.</p>
          ) : (
            <>
              {local && (
                <p class="banner">
                  <Icon name="alert" /> The portal {portal} accepts only this machine. For other hosts, set <code>iscsi.bind</code>, such as <code>"0.0.0.0:3260"</code>, and restart the daemon.
                </p>
              )}
              {libraries.value.map((library) => (
                <section key={library.summary.name} aria-label={`Library ${library.summary.name}`}>
                  {libraries.value.length > 1 && <h3>Library {library.summary.name}</h3>}
                  {connectLines(library, portal, location.hostname).map((lines) => (
                    <Copyable key={lines.title} {...lines} />
                  ))}
                </section>
              ))}
              {libraries.value.length > 0 && <p class="muted">The changer is LUN {count(libraries.value[0]!.summary.lun)}; the drives follow it.</p>}
            </>
          )}
        </Step>
      </ol>
    </div>
  );
}
