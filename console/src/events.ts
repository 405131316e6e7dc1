// The stream of events (/v1/events): its connection, and the events of the last minutes.

import { signal } from "@preact/signals";
import { readSession, session } from "./api";
import { applyEvent, applySnapshot } from "./site";
import type { SiteEvent, SiteStatus } from "./types";

/** `connecting` before the first snapshot, `live`, or `lost` while the daemon cannot be reached. */
export const link = signal<"connecting" | "live" | "lost">("connecting");
/** The last events, oldest first. */
export const log = signal<SiteEvent[]>([]);
/** Whether the daemon now serves another release of this console. */
export const isOutdated = signal(false);

const MAX_EVENTS = 1000;
const HISTORY_LEN = 500;
const RETRY_MS = [500, 1000, 2000, 4000];
/** A stream is silent for at most 15 s (the daemon then sends a comment, which a browser does not show). */
let source: EventSource | undefined;
let position: string | undefined;
let failures = 0;
let retry: ReturnType<typeof setTimeout> | undefined;

function remember(events: SiteEvent[]): void {
  const all = [...log.peek(), ...events].slice(-MAX_EVENTS);
  log.value = all;
}

function isLive(): void {
  failures = 0;
  link.value = "live";
}

function receive(message: MessageEvent<string>): void {
  position = message.lastEventId;
  const event = JSON.parse(message.data) as SiteEvent;
  remember([event]);
  applyEvent(event);
  // New libraries, drives and slots are in the next snapshot.
  if (event.event === "reloaded") reconnectWithSnapshot();
}

function reconnectWithSnapshot(): void {
  position = undefined;
  disconnect();
  connect();
}

/** Reads the events before the snapshot, as far as the daemon still has all of them. */
function readHistory(until: string): void {
  const [start, last] = until.split("/") as [string, string];
  const seq = Number(last);
  if (seq === 0) return;
  const history = new EventSource(`/v1/events?since=${start}/${Math.max(0, seq - HISTORY_LEN)}`);
  const events: SiteEvent[] = [];
  const end = (): void => history.close();
  history.addEventListener("snapshot", end);
  history.onerror = end;
  history.onmessage = (message: MessageEvent<string>) => {
    const event = JSON.parse(message.data) as SiteEvent;
    if (event.seq <= seq) events.push(event);
    if (event.seq >= seq) {
      end();
      log.value = [...events, ...log.peek().filter((known) => known.start !== start || known.seq > seq)].slice(-MAX_EVENTS);
    }
  };
}

/** Subscribes to the events. Reconnects until `disconnect`. */
export function connect(): void {
  clearTimeout(retry);
  const stream = new EventSource(position ? `/v1/events?since=${encodeURIComponent(position)}` : "/v1/events");
  source = stream;
  stream.addEventListener("snapshot", (message: MessageEvent<string>) => {
    position = message.lastEventId;
    applySnapshot((JSON.parse(message.data) as { snapshot: SiteStatus }).snapshot);
    isLive();
    readHistory(position);
  });
  stream.addEventListener("resumed", (message: MessageEvent<string>) => {
    position = message.lastEventId;
    isLive();
  });
  stream.onmessage = receive;
  stream.onerror = () => {
    if (source !== stream) return;
    stream.close();
    link.value = "lost";
    retry = setTimeout(() => void reconnect(), RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
  };
}

/** After a lost connection: the daemon may be another one, of another release, or may want another login. */
async function reconnect(): Promise<void> {
  try {
    await readSession();
  } catch {
    retry = setTimeout(() => void reconnect(), RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
    return;
  }
  if (session.peek() === null) return;
  connect();
  void compareRelease();
}

export function disconnect(): void {
  clearTimeout(retry);
  source?.close();
  source = undefined;
}

/** Compares the script of this page with that of the page which the daemon serves now. */
export async function compareRelease(): Promise<void> {
  const own = document.querySelector("script[src]")?.getAttribute("src");
  const served = await fetch("/", { cache: "no-store" }).then((response) => response.text()).catch(() => undefined);
  if (own && served !== undefined) isOutdated.value = !served.includes(`"${own}"`);
}
