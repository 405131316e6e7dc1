// The audit log: changes with their actors, and the check of its hash chain.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, withQuery } from "../api";
import { count, dateTime, plural } from "../format";
import { Icon } from "../parts/icon";
import type { AuditRecord, Page } from "../types";
import { messageOf } from "../ui";

const SPANS = [
  [1, "last hour"],
  [24, "last day"],
  [24 * 7, "last 7 days"],
  [0, "all records"],
] as const;
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
          <select aria-label="Filter by time" value={hours.value} onChange={(event) => (hours.value = Number(event.currentTarget.value))}>
            {SPANS.map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
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
            <div class="scroll tall" tabIndex={0} role="region" aria-label="Audit records">
              <table>
                <thead>
                  <tr>
                    <th scope="col">no.</th>
                    <th scope="col">time</th>
                    <th scope="col">actor</th>
                    <th scope="col">change</th>
                    <th scope="col">objects</th>
                    <th scope="col">before → after</th>
                    <th scope="col">result</th>
                  </tr>
                </thead>
                <tbody>
                  {records.value.slice(0, SHOWN).map((record) => (
                    <tr key={record.seq}>
                      <td>{record.seq}</td>
                      <td class="mono">{dateTime(record.at)}</td>
                      <td>
                        {record.actor.name || record.actor.kind.replaceAll("_", " ")} <span class="muted">{record.actor.from}</span>
                      </td>
                      <td>{record.action.replaceAll("_", " ")}</td>
                      <td class="mono">{objectsOf(record)}</td>
                      <td class="break">
                        {difference(record)}
                      </td>
                      <td class={record.error ? "bad" : ""}>{record.error ?? record.result}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </>
        )}
      </section>
    </div>
  );
}
