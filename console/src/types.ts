// The documents of the API that the console reads, as docs/openapi.json describes them.

export type Role = "read" | "operate" | "admin";

export interface Session {
  name?: string;
  role: Role;
  csrf?: string;
}

export type Kind = "data" | "worm" | "cleaning" | "null";

export interface Element {
  number: number;
  address: number;
  cartridge?: string;
  kind?: Kind;
  source?: number;
  label?: "missing" | "unreadable";
  fault?: "disabled" | "blocked";
  unusable?: string;
}

export interface Drive extends Element {
  model: string;
  serial: string;
  lun: number;
  /** Name of the daemon that serves the drive, if it is another one. */
  daemon?: string;
  online: boolean;
  faulty?: string;
  ejected: boolean;
  refused?: string;
  /** The objects of the cartridge while its store thaws them, and its load waits for that. */
  thawing?: { ready: number; objects: number };
  threaded: boolean;
  alerts: string[];
  removal_prevented?: boolean;
  reservation?: Reservation;
  encrypting?: boolean;
}

export interface Reservation {
  kind: "reserve" | "persistent";
  type?: number;
  holders?: string[];
}

export interface Summary {
  name: string;
  model: string;
  serial: string;
  target: string;
  lun: number;
  /** The daemon serves only drives of the library. */
  robot_elsewhere?: boolean;
  /** The chassis of which the library is a partition. */
  chassis?: string;
  shelf: string;
  online: boolean;
  faulty?: string;
  door_open: boolean;
  station_open: boolean;
  alerts: string[];
  removal_prevented?: boolean;
  reservation?: Reservation;
}

/** A partition, and its share of the elements of the chassis: numbers of the first and the last one. */
export interface Partition {
  library: string;
  number: number;
  serial: string;
  slots?: [number, number];
  import_export?: [number, number];
  drives?: [number, number];
}

export interface Chassis {
  name: string;
  model: string;
  serial: string;
  slots: number;
  import_export: number;
  drives: number;
  shared_station?: boolean;
  partitions: Partition[];
}

export interface LibraryStatus extends Summary {
  drives: Drive[];
  io_elements: Element[];
  slots: Element[];
}

export interface SiteStatus {
  libraries: LibraryStatus[];
  chassis?: Chassis[];
  shelves: Record<string, string[]>;
  version: number;
  warnings?: string[];
  portals?: string[];
  http?: string[];
  object_shelves?: ObjectShelf[];
}

/** The replica of a shelf or of pools. */
export interface Replica {
  shelf: string;
  cartridges: number;
  bytes: number;
  seconds: number;
  failed?: Record<string, string>;
}

/** A shelf on object storage. */
export interface ObjectShelf {
  shelf: string;
  url: string;
  durability: "local" | "remote";
  new_cartridges?: boolean;
  encrypted?: boolean;
  object_lock?: boolean;
  cartridges: number;
  unshelved_bytes: number;
  unshelved?: { cartridge: string; bytes: number; error?: string }[];
  cached_bytes: number;
  cache_bytes: number;
  error?: string;
  replica?: Replica;
  pool_replicas?: Replica[];
}

export interface InElement {
  element: { library: string; address: number; source?: number; by_operator: boolean };
}

export interface OnShelf {
  shelf: string;
}

export type Location = InElement | OnShelf;

export interface Cartridge {
  cartridge: string;
  location: Location;
  element?: string;
  shelf_name?: string;
  unshelved_bytes?: number;
  size: number;
  kind?: Kind;
  label?: "missing" | "unreadable";
  cleanings_left?: number;
  blank?: boolean;
  pool?: string;
  write_protected: boolean;
  retained_until?: number;
  legal_hold?: boolean;
  unusable?: string;
  loads: number;
}

export interface Pool {
  pool: string;
  pattern: string;
  library: string;
  size: number;
  cartridges: number;
  scratch: number;
  wanted: number;
}

export interface Page<T> {
  items: T[];
  next?: string;
}

export interface Alert {
  library: string;
  drive?: string;
  flag: number;
  name: string;
  raised: boolean;
}

export interface Moved {
  cartridge: string;
  library: string;
  from_element?: string;
  to_element?: string;
  refused?: string;
  shelf?: string;
}

/** A cartridge that was assigned to another partition of its chassis. */
export interface Assigned {
  cartridge: string;
  from_library: string;
  from_element: string;
  library: string;
  to_element: string;
}

/** An event of the site; further members depend on `event`. */
export interface SiteEvent {
  seq: number;
  start: string;
  at: number;
  source: "site" | "operator" | "host" | "unit";
  event: string;
  initiator?: string;
  library?: string;
  unit?: string;
  barcode?: string;
  [member: string]: unknown;
}

export interface Acknowledgement {
  by: string;
  at: number;
}

export interface Alarm {
  record: SiteEvent;
  acknowledged?: Acknowledgement;
}

export interface Position {
  partition: number;
  object: number;
}

export interface TraceRecord {
  seq: number;
  start: string;
  at_ms: number;
  unit: string;
  initiator: string;
  status: number;
  outcome: "completed" | "rejected" | "aborted" | "dropped";
  injected: boolean;
  bytes_in: number;
  bytes_out: number;
  position_before: Position | null;
  position_after: Position | null;
  queued_us: number;
  run_us: number;
  delay_us: number;
  decoded: { command: string | null; fields: Record<string, unknown>; status: string | null; sense: string | null };
}

export interface Trace {
  start: string;
  last: number;
  lost: number;
  commands: TraceRecord[];
}

export interface DriveMetrics {
  name: string;
  serial: string;
  queue_depth: number;
  written_bytes: number;
  written_to_medium_bytes: number;
  read_bytes: number;
  read_from_medium_bytes: number;
  filemarks: number;
  read_failures: number;
  write_failures: number;
  threaded: boolean;
  position: Position | null;
  loads: number;
  cleanings: number;
}

export interface PortalMetrics {
  address: string;
  connections: number;
  sessions: number;
  logins: number;
  logins_refused: Record<string, number>;
  received_bytes: number;
  sent_bytes: number;
}

export interface Metrics {
  release: string;
  libraries: { name: string; drives: DriveMetrics[]; moves: { done: number; refused: number; failed: number } }[];
  cartridges: { library: string; pool: string; state: string; count: number }[];
  directories: { directory: string; free_bytes: number; size_bytes: number }[];
  portals: PortalMetrics[];
  process: Record<string, number | null>;
}

export interface AuditRecord {
  seq: number;
  at: number;
  actor: { kind: string; name?: string; uid?: number; from?: string; request_id?: string };
  action: string;
  objects?: Record<string, unknown>;
  details?: unknown;
  before?: unknown;
  after?: unknown;
  result: string;
  error?: string;
}

export type JobState = "running" | "done" | "failed" | "cancelled";

/** The work of a job; which members it has depends on its kind. */
export interface Work {
  kind: "create" | "verify" | "convert" | "import" | "export" | "archive" | "recall";
  pool?: string;
  count?: number;
  cartridge?: string;
  cartridges?: string[];
  format?: "native" | "mhvtl";
  library?: string;
  to?: string;
}

export interface VerifiedCartridge {
  cartridge?: string;
  intact: boolean;
  complete: boolean;
  blocks: number;
  filemarks: number;
  stored: number;
  torn_objects: number;
  files: { file: string; damage: string; repair: string }[];
  damaged: { partition: number; object: number; damage: string }[];
  damaged_objects: number;
}

export interface JobResult {
  created?: string[];
  verified?: VerifiedCartridge[];
  moved?: string[];
  converted?: boolean;
}

export interface Job {
  job: number;
  work: Work;
  state: JobState;
  progress: { cartridges: number; cartridges_total: number; bytes: number; bytes_total: number };
  started: number;
  ended?: number;
  result?: JobResult;
  failure?: { error: string; code: string };
}

export interface Token {
  name: string;
  role: Role;
  created: number;
}

export interface CartridgeContents {
  medium: string;
  format: string;
  capacity: number;
  loaded: boolean;
  serial: string;
  manufacturer: string;
  manufactured: string;
  loads: number;
  written_in_life: number;
  read_in_life: number;
  last_drive: string;
  partitions: { number: number; capacity: number; used: number; objects: number; filemarks: number }[];
  unsynchronised: { complete: number; torn: number } | null;
  damage: string | null;
  attributes: { id: string; name: string; partition: number; value: string }[];
}

export interface TapeFile {
  file: number;
  object: number;
  blocks: number;
  bytes: number;
  stored: number;
  smallest: number;
  largest: number;
  damaged: number;
  end: "filemark" | "end_of_data" | "next_part";
}

export interface ConfigurationFinding {
  line: number;
  column: number;
  key: string;
  message: string;
}

export interface ConfigurationText {
  text: string;
  file?: { path: string; state: "in_use" | "changed" | "refused" | "unreadable"; reason?: string };
}

export interface LibraryModel {
  model: string;
  slots: number;
  io_elements: number;
  drives: number;
}

export interface DriveModel {
  model: string;
  vendor: string;
  media: { medium: string; suffix: string; capacity: number }[];
}

export interface Models {
  libraries: LibraryModel[];
  drives: DriveModel[];
}

export interface CheckedConfiguration {
  error?: ConfigurationFinding;
  warnings: ConfigurationFinding[];
  libraries: number;
  drives: number;
  pools: number;
}

export interface IscsiSession {
  portal: string;
  initiator: string;
  target: string;
  peer: string;
  isid: string;
  tsih: number;
  since: number;
  commands: number;
  received_bytes: number;
  sent_bytes: number;
}

export interface NotifyTarget {
  target: string;
  kind: "webhook" | "mail" | "command";
  destination: string;
  waiting: number;
  delivered: number;
  failed_attempts: number;
  dead_letters: number;
  failures: number;
  last_delivery?: number;
  last_error?: string;
  last_error_at?: number;
}
