// Notification targets: webhooks, mail and programs that receive the events of the site.

import { useSignal } from "@preact/signals";
import { may, request } from "../api";
import { useDocument } from "../document";
import { count, dateTime } from "../format";
import { Icon } from "../parts/icon";
import { Listing } from "../parts/listing";
import type { Column } from "../parts/table";
import type { NotifyTarget, Page } from "../types";
import { act } from "../ui";

const POLL_MS = 3000;

function State({ target }: { target: NotifyTarget }) {
  if (target.failures > 0) {
    return (
      <span class="bad">
        <Icon name="alert" /> {count(target.failures)} failed since the last delivery
      </span>
    );
  }
  return target.last_delivery === undefined ? (
    <>nothing sent yet</>
  ) : (
    <>
      <Icon name="check" /> works
    </>
  );
}

const lastError = (target: NotifyTarget): string =>
  target.last_error === undefined ? "" : `${target.last_error_at === undefined ? "" : `${dateTime(target.last_error_at)} `}${target.last_error}`;

const COLUMNS: Column<NotifyTarget>[] = [
  ["target", ({ target }) => target, "mono"],
  ["kind", ({ kind }) => kind],
  ["destination", ({ destination }) => destination, "mono"],
  ["state", (target) => <State target={target} />],
  ["delivered", ({ delivered }) => count(delivered)],
  ["waiting", ({ waiting }) => count(waiting)],
  ["failed attempts", ({ failed_attempts }) => count(failed_attempts)],
  ["dead letters", ({ dead_letters }) => count(dead_letters)],
  ["last delivery", ({ last_delivery }) => (last_delivery === undefined ? "" : dateTime(last_delivery)), "mono"],
  ["last error", lastError],
];

export function Notifications() {
  const shown = useDocument<Page<NotifyTarget>>("/v1/notifications", { pollMs: POLL_MS });
  const testing = useSignal("");
  const targets = shown.value.value?.items;
  const test = async (target: string): Promise<void> => {
    testing.value = target;
    await act(({ answer }: { answer: string }) => `${target} has received the test event: ${answer}`, () => request("POST", `/v1/notifications/${encodeURIComponent(target)}/test`, {}));
    testing.value = "";
    await shown.read();
  };
  const testButton = ({ target }: NotifyTarget) => (
    <button class="quiet small" aria-label={`Test ${target}`} disabled={testing.value !== ""} onClick={() => void test(target)}>
      {testing.value === target ? "Testing…" : "Test"}
    </button>
  );
  const columns: Column<NotifyTarget>[] = may("operate") ? [...COLUMNS, ["action", testButton]] : COLUMNS;
  return (
    <div class="view">
      <header class="view-head">
        <h1>Notifications</h1>
      </header>
      {shown.error.value && <p class="banner bad">{shown.error.value}</p>}
      <section class="panel">
        <Listing label="Notification targets" columns={columns} items={targets} keyOf={({ target }) => target}>
          This site has no notification target. A table <code>[[notify]]</code> of the configuration adds a webhook, mail or a program.
        </Listing>
        <p class="muted">The counts are those since the start of the daemon. A dead letter is an event that was given up.</p>
      </section>
    </div>
  );
}
