// Numbers, times and events as text.

import { locationName } from "./site";
import type { Location, Reservation, SiteEvent } from "./types";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** A number of bytes with three significant digits, in decimal units as on cartridges. */
export function bytes(value: number): string {
  let unit = 0;
  let scaled = value;
  while (scaled >= 999.5 && unit < UNITS.length - 1) {
    scaled /= 1000;
    unit++;
  }
  const digits = unit === 0 || scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2;
  return `${unit === 0 ? Math.round(scaled) : Number(scaled.toFixed(digits))} ${UNITS[unit]}`;
}

export const count = (value: number): string => value.toLocaleString("en");

export const plural = (value: number, word: string): string => `${count(value)} ${word}${value === 1 ? "" : "s"}`;

const two = (value: number): string => String(value).padStart(2, "0");

/** Local time of day with seconds. */
export function timeOfDay(ms: number): string {
  const time = new Date(ms);
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

export function day(ms: number): string {
  const time = new Date(ms);
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
}

export const dateTime = (ms: number): string => `${day(ms)} ${timeOfDay(ms)}`;

export function duration(us: number): string {
  if (us < 1000) return `${us} µs`;
  return us < 1_000_000 ? `${(us / 1000).toFixed(1)} ms` : `${(us / 1_000_000).toFixed(2)} s`;
}

const KINDS: Record<string, string> = {
  data: "data",
  worm: "WORM",
  cleaning: "cleaning cartridge",
  null: "null medium (stores no data)",
};

export const kindName = (kind: string | undefined): string => (kind ? (KINDS[kind] ?? kind) : "unknown");

/** The iSCSI name of an initiator port without its session identifier. */
export const initiatorName = (port: string): string => port.split(",i,")[0]!;

const PERSISTENT_TYPES: Record<number, string> = {
  1: "Write Exclusive",
  3: "Exclusive Access",
  5: "Write Exclusive, Registrants Only",
  6: "Exclusive Access, Registrants Only",
  7: "Write Exclusive, All Registrants",
  8: "Exclusive Access, All Registrants",
};

export function reservationText(reservation: Reservation | null | undefined): string {
  if (!reservation) return "not reserved";
  const holders = reservation.holders?.map(initiatorName).join(", ") || "a host";
  if (reservation.kind === "reserve") return `reserved by ${holders} (RESERVE)`;
  const type = PERSISTENT_TYPES[reservation.type ?? 0] ?? `type ${reservation.type}`;
  return `persistent reservation of ${holders}: ${type}`;
}

const EVENT_WORDS: Record<string, string> = {
  started: "daemon started",
  stopped: "daemon stopped",
  reloaded: "configuration reloaded",
  login: "login",
  logout: "logout",
  login_refused: "login refused",
  loaded: "loaded",
  unloaded: "unloaded",
  tape_thawing: "cartridge being thawed",
  tape_loaded: "tape loaded in the drive",
  tape_unloaded: "tape unloaded in the drive",
  moved: "moved",
  imported: "imported",
  exported: "exported",
  door: "door",
  operator_state: "state set by an operator",
  mode_changed: "mode pages changed",
  alert_raised: "TapeAlert raised",
  alert_cleared: "TapeAlert cleared",
  acknowledged: "alarms acknowledged",
  write_protect_changed: "write-protect tab",
  retention_enforced: "retention enforced",
  retention_changed: "retention changed",
  reservation_changed: "reservation",
  encryption_on: "encryption on",
  encryption_off: "encryption off",
  unit_faulty: "unit faulty",
  unit_recovered: "unit recovered",
  removal_allowed: "medium removal allowed",
  created: "created",
  job_started: "job started",
  job_ended: "job ended",
  deleted: "deleted",
  forgotten: "forgotten",
  unusable: "cannot be used",
  usable: "can be used again",
  damaged: "medium damaged",
  disk_space_low: "disk space low",
  lagged: "events lost",
};

export const eventName = (event: string): string => EVENT_WORDS[event] ?? event.replaceAll("_", " ");

interface OperatorState {
  offline?: boolean;
  door_open?: boolean;
  station_open?: boolean;
  drives_offline?: number[];
  faults?: Record<string, string>;
  labels?: Record<string, string>;
}

function operatorStateText(state: OperatorState): string {
  const words = [state.offline && "robot offline", state.door_open && "access door open", state.station_open && "I/O station open"].filter((word) => !!word);
  const add = (number: number, word: string): void => {
    if (number > 0) words.push(plural(number, word));
  };
  add(state.drives_offline?.length ?? 0, "offline drive");
  add(Object.keys(state.faults ?? {}).length, "unusable element");
  add(Object.keys(state.labels ?? {}).length, "defective label");
  return words.join(", ") || "everything is in service";
}

/** The details of an event besides its name and its objects. */
export function eventDetail(event: SiteEvent): string {
  const text = (name: string): string => String(event[name] ?? "");
  const { from, to } = event as { from?: Location; to?: Location };
  if (to) return from ? `${locationName(from)} → ${locationName(to)}` : `→ ${locationName(to)}`;
  switch (event.event) {
    case "login":
      return `${initiatorName(event.initiator ?? "")} from ${text("peer")}`;
    case "logout":
      return initiatorName(event.initiator ?? "");
    case "login_refused":
      return `${initiatorName(event.initiator ?? "")} from ${text("peer")}: ${text("reason")} (status ${text("status")})`;
    case "operator_state":
      return operatorStateText(event.state as OperatorState);
    case "door":
      return `${event.door === "access" ? "access door" : "I/O station"} ${event.open ? "opened" : "closed"}`;
    case "alert_raised":
    case "alert_cleared":
      return `flag ${text("flag")}: ${text("name")}`;
    case "acknowledged":
      return `events ${(event.events as number[]).join(", ")} by ${text("by")}`;
    case "write_protect_changed":
      return event.on ? "set" : "cleared";
    case "retention_changed":
      return `until ${day(Number(event.until) * 1000)}`;
    case "reservation_changed":
      return reservationText(event.reservation as Reservation | null);
    case "mode_changed":
      return (event.pages as string[]).map((page) => `${page}h`).join(", ");
    case "disk_space_low":
      return `${bytes(Number(event.free_bytes))} free in ${text("directory")}`;
    case "job_started":
      return `job ${text("job")}`;
    case "job_ended":
      return `job ${text("job")}: ${text("state")}`;
    case "created":
      return `in pool ${text("pool")}`;
    case "tape_thawing":
      return plural(Number(event.objects), "object");
    case "tape_unloaded":
      return event.ejected ? "ejected" : "";
    case "reloaded":
      return plural((event.changes as unknown[]).length, "change");
    case "started":
      return `release ${text("release")}`;
    default:
      return text("reason");
  }
}

/** Events that need a person. */
const SEVERE = new Set(["alert_raised", "unit_faulty", "damaged", "unusable", "disk_space_low", "login_refused", "retention_enforced", "lagged"]);

export const isSevere = (event: SiteEvent): boolean => SEVERE.has(event.event);
