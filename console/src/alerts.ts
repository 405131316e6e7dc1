// Alerts that the user has not acknowledged. The acknowledgement is of this browser: it changes nothing in the site.

import { computed, signal } from "@preact/signals";
import { log } from "./events";
import { isSevere } from "./format";
import type { SiteEvent } from "./types";

const KEY = "ferric-acknowledged";
const MAX_KEYS = 2000;

const keyOf = (event: SiteEvent): string => `${event.start}/${event.seq}`;

function stored(): string[] {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
  } catch {
    return [];
  }
}

const acknowledged = signal(new Set(stored()));

export const isAcknowledged = (event: SiteEvent): boolean => acknowledged.value.has(keyOf(event));

export const unacknowledgedEvents = computed(() => log.value.filter((event) => isSevere(event) && !isAcknowledged(event)));

export const unacknowledged = computed(() => unacknowledgedEvents.value.length);

export function acknowledge(events: SiteEvent[]): void {
  const keys = [...acknowledged.value, ...events.map(keyOf)].slice(-MAX_KEYS);
  acknowledged.value = new Set(keys);
  localStorage.setItem(KEY, JSON.stringify(keys));
}
