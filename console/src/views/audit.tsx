// The audit log: changes with their actors, and the check of its hash chain.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, withQuery } from "../api";
import { count, dateTime, plural } from "../format";
import { Select, type Option } from "../parts/fields";
import { Icon } from "../parts/icon";
import { Table, type Column } from "../parts/table";
import type { AuditRecord, Page } from "../types";
import { messageOf } from "../ui";

const SPANS: Option<number>[] = [
  [1, "last hour"],
  [24, "last day"],
  [24 * 7, "last 7 days"],
  [0, "all records"],
];
const PAGE_LEN = 1000;
const MAX_RECORDS = 20_000;
const SHOWN = 500;

function objectsOf(record: AuditRecord): string {
  return Object.values(record.objects ?? {})
    .map((value) => (typeof value === "string" ? value : JSON.stringify(value)))
    .join(" ");
}

const json = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** The members that a change has changed: `label: null → unreadable`. */
function difference({ before, after }: AuditRecord): string {
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
  if (!isObject(before) || !isObject(after)) return [before, after].filter((value) => value !== undefined && value !== null).map(json).join(" → ");
  const names = Object.keys(after).filter((name) => json(before[name] ?? null) !== json(after[name] ?? null));
  return names.map((name) => `${name.replaceAll("_", " ")}: ${json(before[name] ?? null)} → ${json(after[name] ?? null)}`).join("; ");
}

const COLUMNS: Column<AuditRecord>[] = [
  ["no.", (record) => record.seq],
  ["time", (record) => dateTime(record.at), "mono"],
  [
    "actor",
    ({ actor }) => (
      <>
        {actor.name || actor.kind.replaceAll("_", " ")} <span class="muted">{actor.from}</span>
      </>
    ),
  ],
  ["change", (record) => record.action.replaceAll("_", " ")],
  ["objects", objectsOf, "mono"],
  ["before → after", difference, "break"],
  ["result", ({ error, result }) => (error ? <span class="bad">{error}</span> : result)],
];

export function Audit() {
  const hours = useSignal(24);
  const object = useSignal("");
  const actor = useSignal("");
  const records = useSignal<AuditRecord[]>([]);
  const state = useSignal("reading");
  const verified = useSignal<{ good: boolean; text: string } | null>(null);

  useEffect(() => {
    const end = new AbortController();
    const timer = setTimeout(async () => {
      const read: AuditRecord[] = [];
      const since = hours.value ? Date.now() - hours.value * 3_600_000 : undefined;
      let after: number | undefined;
      try {
        for (let page: Page<AuditRecord>; read.length < MAX_RECORDS; after = page.items.at(-1)!.seq) {
          page = await get(withQuery("/v1/audit", { since, object: object.value.trim(), actor: actor.value.trim(), after, max: PAGE_LEN }), end.signal);
          read.push(...page.items);
          if (page.items.length < PAGE_LEN) break;
        }
        records.value = read.reverse();
        state.value = "done";
      } catch (error) {
        if (!end.signal.aborted) state.value = messageOf(error);
      }
    }, 250);
    return () => {
      clearTimeout(timer);
      end.abort();
    };
  }, [hours.value, object.value, actor.value]);

  const verify = async (): Promise<void> => {
    try {
      const { files, last } = await get<{ files: number; last?: { seq: number; hash: string } | null }>("/v1/audit/verify");
      verified.value = { good: true, text: `${plural(files, "file")}; the last record is ${last ? `${count(last.seq)}, hash ${last.hash}` : "none"}` };
    } catch (error) {
      verified.value = { good: false, text: messageOf(error) };
    }
  };

  return (
    <div class="view">
      <header class="view-head">
        <h1>Audit</h1>
        <div class="buttons">
          <button class="quiet" onClick={() => void verify()}>
            Verify the hash chain
          </button>
        </div>
      </header>
      {verified.value && (
        <p class={`banner ${verified.value.good ? "" : "bad"}`} role="status">
          <Icon name={verified.value.good ? "check" : "alert"} /> {verified.value.good ? "The records are complete and unchanged: " : ""}
          <span class="break">{verified.value.text}</span>
        </p>
      )}
      <section class="panel">
        <div class="row filters">
          <Select filter label="Filter by time" value={hours} options={SPANS} />
          <input type="search" aria-label="Filter by object" placeholder="Object: barcode, drive1, main" value={object.value} onInput={(event) => (object.value = event.currentTarget.value)} />
          <input type="search" aria-label="Filter by actor" placeholder="Actor: user, token, initiator" value={actor.value} onInput={(event) => (actor.value = event.currentTarget.value)} />
        </div>
        {state.value === "reading" ? (
          <p class="muted">Reading…</p>
        ) : state.value !== "done" ? (
          <p class="bad">{state.value}</p>
        ) : records.value.length === 0 ? (
          <p class="muted">No record matches.</p>
        ) : (
          <>
            {records.value.length > SHOWN && <p class="muted">The last {SHOWN} of {count(records.value.length)} records are shown.</p>}
            <Table tall label="Audit records" columns={COLUMNS} items={records.value.slice(0, SHOWN)} keyOf={(record) => record.seq} />
          </>
        )}
      </section>
    </div>
  );
}
