// Alarms: events that need a person. The daemon keeps them with their acknowledgements, for every browser.

import { computed, effect, signal } from "@preact/signals";
import { get, request } from "./api";
import { link, log } from "./events";
import { isSevere } from "./format";
import type { Acknowledgement, Alarm, Page, SiteEvent } from "./types";
import { act } from "./ui";

const alarms = signal<Alarm[]>([]);

const keyOf = (event: SiteEvent): string => `${event.start}/${event.seq}`;

const acknowledgements = computed(() => new Map(alarms.value.map(({ record, acknowledged }) => [keyOf(record), acknowledged])));

export const acknowledgementOf = (event: SiteEvent): Acknowledgement | undefined => acknowledgements.value.get(keyOf(event));

export const unacknowledgedEvents = computed(() => alarms.value.filter(({ acknowledged }) => !acknowledged).map(({ record }) => record));

export const unacknowledged = computed(() => unacknowledgedEvents.value.length);

const READ_DELAY_MS = 100;
let timer: ReturnType<typeof setTimeout> | undefined;

async function read(): Promise<void> {
  timer = undefined;
  try {
    alarms.value = (await get<Page<Alarm>>("/v1/alarms")).items;
  } catch {
    // The stream of events reports the lost connection.
  }
}

// Read again after each connection, alarm and acknowledgement.
const cause = computed(() => {
  const last = log.value.findLast((event) => isSevere(event) || event.event === "acknowledged");
  return link.value === "live" ? `live ${last ? keyOf(last) : ""}` : "";
});
effect(() => {
  if (cause.value) timer ??= setTimeout(() => void read(), READ_DELAY_MS);
});

/** Most events in one request. */
const MAX_EVENTS = 1000;

export async function acknowledge(events: SiteEvent[]): Promise<void> {
  await act("acknowledged", () => request("POST", "/v1/alarms/acknowledge", { events: events.slice(0, MAX_EVENTS).map(keyOf) }));
}
