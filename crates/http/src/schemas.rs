//! The schemas of responses: the types of `vtl::control` as they are in JSON. An object has no other members than these.

use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr};

/// Type of a member.
enum Of {
    Text,
    /// A whole number from 0.
    Number,
    Flag,
    /// Any JSON object.
    Object,
    /// Any JSON value.
    Any,
    Words(&'static [&'static str]),
    Named(&'static str),
    List(&'static Self),
    /// An object with any names, whose values are of this type.
    Map(&'static Self),
    OrNull(&'static Self),
}

/// A member of an object.
struct Field {
    name: &'static str,
    of: Of,
    is_required: bool,
}

const fn has(name: &'static str, of: Of) -> Field {
    Field { name, of, is_required: true }
}

const fn may(name: &'static str, of: Of) -> Field {
    Field { name, of, is_required: false }
}

const TEXTS: Of = Of::List(&Of::Text);
const NUMBERS: Of = Of::List(&Of::Number);
const LABEL: Of = Of::Words(&["missing", "unreadable"]);
const FAULT: Of = Of::Words(&["disabled", "blocked"]);
const ROLE: Of = Of::Words(&["read", "operate", "admin"]);
const KIND: Of = Of::Words(&["data", "worm", "cleaning", "null"]);

const SUMMARY: &[Field] = &[
    has("name", Of::Text),
    has("model", Of::Text),
    has("serial", Of::Text),
    has("target", Of::Text),
    has("lun", Of::Number),
    may("robot_elsewhere", Of::Flag),
    may("chassis", Of::Text),
    has("shelf", Of::Text),
    has("online", Of::Flag),
    may("faulty", Of::Text),
    has("door_open", Of::Flag),
    has("station_open", Of::Flag),
    has("alerts", TEXTS),
    may("time", Of::Named("RobotTimeStatus")),
];
const ELEMENT: &[Field] = &[
    has("number", Of::Number),
    has("address", Of::Number),
    may("cartridge", Of::Text),
    may("kind", KIND),
    may("source", Of::Number),
    may("label", LABEL),
    may("fault", FAULT),
    may("unusable", Of::Text),
];
const HOST_SETTINGS: &[Field] =
    &[may("removal_prevented", Of::Flag), may("reservation", Of::Named("Reservation")), may("encrypting", Of::Flag)];
const DRIVE: &[Field] = &[
    has("model", Of::Text),
    has("serial", Of::Text),
    has("lun", Of::Number),
    may("daemon", Of::Text),
    has("online", Of::Flag),
    may("faulty", Of::Text),
    has("ejected", Of::Flag),
    may("refused", Of::Text),
    may("thawing", Of::Named("ThawStatus")),
    has("threaded", Of::Flag),
    has("alerts", TEXTS),
    may("time", Of::Named("TimeStatus")),
];
const COMMANDS: &[Field] = &[
    has("commands", Of::List(&Of::Named("CommandCount"))),
    has("bytes_in", Of::Number),
    has("bytes_out", Of::Number),
    has("run_us", Of::Named("Histogram")),
    has("queued_us", Of::Named("Histogram")),
    has("sense", Of::List(&Of::Named("SenseCount"))),
];
const UNIT_METRICS: &[Field] = &[
    has("serial", Of::Text),
    has("online", Of::Flag),
    has("faulty", Of::Flag),
    has("queue_depth", Of::Number),
    has("commands", Of::Named("CommandCounters")),
    has("alerts", Of::List(&Of::List(&Of::Any))),
];
const IN_LIBRARY: &[Field] = &[has("library", Of::Text), has("element", Of::Text)];
const UNIT: &[Field] =
    &[has("library", Of::Text), has("unit", Of::Text), has("device", Of::Words(&["drive", "changer", "target"]))];

/// Objects: the name of the schema, and groups of members.
#[rustfmt::skip]
const OBJECTS: &[(&str, &[&[Field]])] = &[
    ("SiteStatus", &[&[
        has("libraries", Of::List(&Of::Named("LibraryStatus"))),
        may("chassis", Of::List(&Of::Named("ChassisStatus"))),
        has("shelves", Of::Map(&TEXTS)),
        has("version", Of::Number),
        may("warnings", TEXTS),
        may("portals", TEXTS),
        may("http", TEXTS),
        may("notify", Of::List(&Of::Named("NotifyStatus"))),
        may("object_shelves", Of::List(&Of::Named("ShelfStatus"))),
    ]]),
    ("ChassisStatus", &[&[
        has("name", Of::Text),
        has("model", Of::Text),
        has("serial", Of::Text),
        has("slots", Of::Number),
        has("import_export", Of::Number),
        has("drives", Of::Number),
        may("shared_station", Of::Flag),
        has("partitions", Of::List(&Of::Named("PartitionStatus"))),
    ]]),
    ("PartitionStatus", &[&[
        has("library", Of::Text),
        has("number", Of::Number),
        has("serial", Of::Text),
        may("slots", NUMBERS),
        may("import_export", NUMBERS),
        may("drives", NUMBERS),
    ]]),
    ("ShelfStatus", &[&[
        has("shelf", Of::Text),
        has("url", Of::Text),
        has("durability", Of::Words(&["local", "remote"])),
        may("new_cartridges", Of::Flag),
        may("encrypted", Of::Flag),
        may("object_lock", Of::Flag),
        has("cartridges", Of::Number),
        has("unshelved_bytes", Of::Number),
        may("unshelved", Of::List(&Of::Named("UnshelvedCartridge"))),
        may("thawing", Of::Map(&Of::Named("ThawStatus"))),
        has("cached_bytes", Of::Number),
        has("cache_bytes", Of::Number),
        may("error", Of::Text),
        may("replica", Of::Named("ReplicaStatus")),
        may("pool_replicas", Of::List(&Of::Named("ReplicaStatus"))),
    ]]),
    ("ReplicaStatus", &[&[
        has("shelf", Of::Text),
        has("cartridges", Of::Number),
        has("bytes", Of::Number),
        has("seconds", Of::Number),
        may("failed", Of::Map(&Of::Text)),
    ]]),
    ("UnshelvedCartridge", &[&[has("cartridge", Of::Text), has("bytes", Of::Number), may("error", Of::Text)]]),
    ("NotifyStatus", &[&[
        has("target", Of::Text),
        has("kind", Of::Words(&["webhook", "mail", "command"])),
        has("destination", Of::Text),
        has("waiting", Of::Number),
        has("delivered", Of::Number),
        has("failed_attempts", Of::Number),
        has("dead_letters", Of::Number),
        has("failures", Of::Number),
        may("last_delivery", Of::Number),
        may("last_error", Of::Text),
        may("last_error_at", Of::Number),
    ]]),
    ("NotifyTest", &[&[has("target", Of::Text), has("answer", Of::Text)]]),
    ("LibraryStatus", &[SUMMARY, HOST_SETTINGS, &[
        has("drives", Of::List(&Of::Named("DriveStatus"))),
        has("io_elements", Of::List(&Of::Named("ElementStatus"))),
        has("slots", Of::List(&Of::Named("ElementStatus"))),
    ]]),
    ("Library", &[SUMMARY, HOST_SETTINGS, &[
        has("drive_count", Of::Number),
        has("io_element_count", Of::Number),
        has("slot_count", Of::Number),
    ]]),
    ("ElementStatus", &[ELEMENT]),
    ("DriveStatus", &[ELEMENT, DRIVE, HOST_SETTINGS]),
    ("ThawStatus", &[&[has("ready", Of::Number), has("objects", Of::Number)]]),
    ("RobotTimeStatus", &[&[has("mode", Of::Text), has("modelled_ms", Of::Number)]]),
    ("TimeStatus", &[&[has("mode", Of::Text), has("modelled_ms", Of::Number), has("repositions", Of::Number)]]),
    ("Reservation", &[&[
        has("kind", Of::Words(&["reserve", "persistent"])),
        may("type", Of::Number),
        may("holders", TEXTS),
    ]]),
    ("Slot", &[IN_LIBRARY, ELEMENT]),
    ("Drive", &[IN_LIBRARY, ELEMENT, DRIVE, HOST_SETTINGS]),
    ("OnlineStatus", &[&[may("drive", Of::Text), has("library", Of::Text), has("online", Of::Flag)]]),
    ("DoorStatus", &[&[
        has("door", Of::Words(&["access", "io_station"])),
        has("library", Of::Text),
        has("open", Of::Flag),
    ]]),
    ("ElementFaultStatus", &[&[has("element", Of::Text), may("fault", FAULT), has("library", Of::Text)]]),
    ("FoundElement", &[IN_LIBRARY, &[has("address", Of::Number)]]),
    ("MovedCartridge", &[&[
        has("cartridge", Of::Text),
        has("from", Of::Number),
        has("from_element", Of::Text),
        has("library", Of::Text),
        may("refused", Of::Text),
        has("to", Of::Number),
        has("to_element", Of::Text),
    ]]),
    ("ImportedCartridge", &[&[
        has("cartridge", Of::Text),
        has("library", Of::Text),
        has("shelf", Of::Text),
        has("to", Of::Number),
        has("to_element", Of::Text),
    ]]),
    ("ExportedCartridge", &[&[
        has("cartridge", Of::Text),
        has("from", Of::Number),
        has("from_element", Of::Text),
        has("library", Of::Text),
        has("shelf", Of::Text),
    ]]),
    ("AssignedCartridge", &[&[
        has("cartridge", Of::Text),
        has("from_library", Of::Text),
        has("from", Of::Number),
        has("from_element", Of::Text),
        has("library", Of::Text),
        has("to", Of::Number),
        has("to_element", Of::Text),
    ]]),
    ("LabelStatus", &[&[has("barcode", Of::Text), may("label", LABEL)]]),
    ("ProtectStatus", &[&[has("barcode", Of::Text), has("write_protected", Of::Flag)]]),
    ("HoldStatus", &[&[has("barcode", Of::Text), has("legal_hold", Of::Flag)]]),
    ("RetentionStatus", &[&[has("barcode", Of::Text), has("retained_until", Of::Number)]]),
    ("RemovedCartridge", &[&[has("barcode", Of::Text)]]),
    ("InjectedFault", &[&[has("fault", Of::Words(&["pick", "place", "load", "unload"])), has("library", Of::Text)]]),
    ("FaultStatus", &[&[
        has("name", Of::Text),
        has("fault", Of::Object),
        has("matched", Of::Number),
        has("fired", Of::Number),
        has("active", Of::Flag),
    ]]),
    ("ClearedFaults", &[&[has("cleared", Of::List(&Of::Text))]]),
    ("AlertStatus", &[&[
        has("library", Of::Text),
        may("drive", Of::Text),
        has("flag", Of::Number),
        has("name", Of::Text),
        has("raised", Of::Flag),
    ]]),
    ("CartridgeStatus", &[&[
        has("cartridge", Of::Text),
        has("location", Of::Named("Location")),
        may("element", Of::Text),
        may("shelf_name", Of::Text),
        may("unshelved_bytes", Of::Number),
        has("size", Of::Number),
        may("kind", KIND),
        may("label", LABEL),
        may("cleanings_left", Of::Number),
        may("blank", Of::Flag),
        may("pool", Of::Text),
        has("write_protected", Of::Flag),
        may("retained_until", Of::Number),
        may("legal_hold", Of::Flag),
        may("unusable", Of::Text),
        has("loads", Of::Number),
    ]]),
    ("CartridgeContents", &[&[
        has("medium", Of::Text),
        has("format", Of::Words(&["native", "mhvtl"])),
        has("capacity", Of::Number),
        has("loaded", Of::Flag),
        has("serial", Of::Text),
        has("manufacturer", Of::Text),
        has("manufactured", Of::Text),
        has("loads", Of::Number),
        has("written_in_life", Of::Number),
        has("read_in_life", Of::Number),
        has("last_drive", Of::Text),
        has("partitions", Of::List(&Of::Named("PartitionContents"))),
        has("unsynchronised", Of::OrNull(&Of::Named("UnsynchronisedObjects"))),
        has("damage", Of::OrNull(&Of::Text)),
        has("attributes", Of::List(&Of::Named("CartridgeAttribute"))),
    ]]),
    ("PartitionContents", &[&[
        has("number", Of::Number),
        has("capacity", Of::Number),
        has("used", Of::Number),
        has("objects", Of::Number),
        has("filemarks", Of::Number),
    ]]),
    ("UnsynchronisedObjects", &[&[has("complete", Of::Number), has("torn", Of::Number)]]),
    ("CartridgeAttribute", &[&[
        has("id", Of::Text),
        has("name", Of::Text),
        has("partition", Of::Number),
        has("value", Of::Text),
    ]]),
    ("TapeFiles", &[&[has("files", Of::List(&Of::Named("TapeFile"))), may("next", Of::Number)]]),
    ("TapeFile", &[&[
        has("file", Of::Number),
        has("object", Of::Number),
        has("blocks", Of::Number),
        has("bytes", Of::Number),
        has("stored", Of::Number),
        has("smallest", Of::Number),
        has("largest", Of::Number),
        has("damaged", Of::Number),
        has("end", Of::Words(&["filemark", "end_of_data", "next_part"])),
    ]]),
    ("InElement", &[&[has("element", Of::Named("ElementLocation"))]]),
    ("ElementLocation", &[&[
        has("library", Of::Text),
        has("address", Of::Number),
        may("source", Of::Number),
        has("by_operator", Of::Flag),
    ]]),
    ("OnShelf", &[&[has("shelf", Of::Text)]]),
    ("Shelf", &[&[has("shelf", Of::Text), has("cartridges", Of::Number)]]),
    ("PoolStatus", &[&[
        has("pool", Of::Text),
        has("pattern", Of::Text),
        has("library", Of::Text),
        has("size", Of::Number),
        has("cartridges", Of::Number),
        has("scratch", Of::Number),
        has("wanted", Of::Number),
    ]]),
    ("Job", &[&[
        has("job", Of::Number),
        has("work", Of::Object),
        has("state", Of::Words(&["running", "done", "failed", "cancelled"])),
        has("progress", Of::Named("JobProgress")),
        has("started", Of::Number),
        may("ended", Of::Number),
        may("result", Of::Object),
        may("failure", Of::Named("JobFailure")),
    ]]),
    ("JobProgress", &[&[
        has("cartridges", Of::Number),
        has("cartridges_total", Of::Number),
        has("bytes", Of::Number),
        has("bytes_total", Of::Number),
    ]]),
    ("JobFailure", &[&[has("error", Of::Text), has("code", Of::Text), may("fields", Of::Object)]]),
    ("CreatedCartridges", &[&[has("created", TEXTS)]]),
    ("ConfigurationText", &[&[has("text", Of::Text), may("file", Of::Named("ConfigurationFileStatus"))]]),
    ("ConfigurationFileStatus", &[&[
        has("path", Of::Text),
        has("state", Of::Words(&["in_use", "changed", "refused", "unreadable"])),
        may("reason", Of::Text),
    ]]),
    ("Alarm", &[&[has("record", Of::Object), may("acknowledged", Of::Named("Acknowledgement"))]]),
    ("Acknowledgement", &[&[has("by", Of::Text), has("at", Of::Number)]]),
    ("AcknowledgedAlarms", &[&[has("acknowledged", Of::List(&Of::Number))]]),
    ("LogLines", &[&[has("lines", TEXTS), has("removed", Of::Number)]]),
    ("Models", &[&[
        has("libraries", Of::List(&Of::Named("LibraryModel"))),
        has("drives", Of::List(&Of::Named("DriveModel"))),
    ]]),
    ("LibraryModel", &[&[
        has("model", Of::Text),
        has("slots", Of::Number),
        has("io_elements", Of::Number),
        has("drives", Of::Number),
    ]]),
    ("DriveModel", &[&[
        has("model", Of::Text),
        has("vendor", Of::Text),
        has("media", Of::List(&Of::Named("WritableMedium"))),
    ]]),
    ("WritableMedium", &[&[has("medium", Of::Text), has("suffix", Of::Text), has("capacity", Of::Number)]]),
    ("CheckedConfiguration", &[&[
        may("error", Of::Named("ConfigurationFinding")),
        has("warnings", Of::List(&Of::Named("ConfigurationFinding"))),
        has("libraries", Of::Number),
        has("drives", Of::Number),
        has("pools", Of::Number),
    ]]),
    ("ConfigurationFinding", &[&[
        has("line", Of::Number),
        has("column", Of::Number),
        has("key", Of::Text),
        has("message", Of::Text),
    ]]),
    ("ReloadReport", &[&[has("changes", Of::List(&Of::Named("ReloadChange")))]]),
    ("ReloadChange", &[&[
        has("change", Of::Text),
        may("library", Of::Text),
        may("slots", Of::Number),
        may("import_export", Of::Number),
        may("drives", Of::Number),
        may("count", Of::Number),
        may("pool", Of::Text),
    ]]),
    ("TokenStatus", &[&[has("name", Of::Text), has("role", ROLE), has("created", Of::Number)]]),
    ("CreatedToken", &[&[has("name", Of::Text), has("role", ROLE), has("token", Of::Text)]]),
    ("SessionStatus", &[&[has("name", Of::Text), has("role", ROLE), has("csrf", Of::Text)]]),
    ("IscsiSession", &[&[
        has("portal", Of::Text),
        has("initiator", Of::Text),
        has("target", Of::Text),
        has("peer", Of::Text),
        has("isid", Of::Text),
        has("tsih", Of::Number),
        has("since", Of::Number),
        has("commands", Of::Number),
        has("received_bytes", Of::Number),
        has("sent_bytes", Of::Number),
    ]]),
    ("EndedSession", &[&[has("name", Of::Text)]]),
    ("RemovedToken", &[&[has("name", Of::Text)]]),
    ("CommandTrace", &[&[
        has("start", Of::Text),
        has("last", Of::Number),
        has("lost", Of::Number),
        has("commands", Of::List(&Of::Named("TraceRecord"))),
    ]]),
    ("TraceRecord", &[UNIT, &[
        has("seq", Of::Number),
        has("start", Of::Text),
        has("at_ms", Of::Number),
        has("target", Of::Text),
        has("initiator", Of::Text),
        has("nexus", Of::Number),
        has("lun", Of::Number),
        has("tag", Of::Number),
        has("cdb", Of::Text),
        has("status", Of::Number),
        has("outcome", Of::Words(&["completed", "rejected", "aborted", "dropped"])),
        has("injected", Of::Flag),
        has("sense", Of::Text),
        has("bytes_in", Of::Number),
        has("bytes_out", Of::Number),
        has("position_before", Of::OrNull(&Of::Object)),
        has("position_after", Of::OrNull(&Of::Object)),
        has("queued_us", Of::Number),
        has("run_us", Of::Number),
        has("delay_us", Of::Number),
        may("modelled_us", Of::Number),
        may("data_in", Of::Text),
        may("data_out", Of::Text),
        has("decoded", Of::Named("Decoded")),
    ]]),
    ("Decoded", &[&[
        has("command", Of::OrNull(&Of::Text)),
        has("fields", Of::Object),
        has("status", Of::OrNull(&Of::Text)),
        has("sense", Of::OrNull(&Of::Text)),
    ]]),
    ("UnitCommandCounters", &[UNIT, COMMANDS]),
    ("CommandCounters", &[COMMANDS]),
    ("CommandCount", &[&[
        has("opcode", Of::Number),
        has("good", Of::Number),
        has("check_condition", Of::Number),
        has("reservation_conflict", Of::Number),
        has("other", Of::Number),
    ]]),
    ("SenseCount", &[&[
        has("key", Of::Number),
        has("asc", Of::Number),
        has("ascq", Of::Number),
        has("count", Of::Number),
    ]]),
    ("Histogram", &[&[has("buckets", Of::List(&Of::Number)), has("sum", Of::Number)]]),
    ("SiteMetrics", &[&[
        has("release", Of::Text),
        has("libraries", Of::List(&Of::Named("LibraryMetrics"))),
        has("cartridges", Of::List(&Of::Named("CartridgeCount"))),
        has("directories", Of::List(&Of::Named("DirectorySpace"))),
        has("sync_us", Of::Named("Histogram")),
        has("corrupt_records", Of::List(&Of::Named("CorruptRecordCount"))),
        has("portals", Of::List(&Of::Named("PortalMetrics"))),
        has("notify", Of::List(&Of::Named("NotifyStatus"))),
        has("shelves", Of::List(&Of::Named("ShelfStatus"))),
        has("process", Of::Named("ProcessMetrics")),
    ]]),
    ("CorruptRecordCount", &[&[has("directory", Of::Text), has("found", Of::Number)]]),
    ("LibraryMetrics", &[&[
        has("name", Of::Text),
        has("changer", Of::Named("UnitMetrics")),
        has("moves", Of::Named("MoveMetrics")),
        has("elements", Of::List(&Of::Named("ElementCount"))),
        has("drives", Of::List(&Of::Named("DriveMetrics"))),
    ]]),
    ("UnitMetrics", &[UNIT_METRICS]),
    ("DriveMetrics", &[UNIT_METRICS, &[
        has("name", Of::Text),
        has("written_bytes", Of::Number),
        has("written_to_medium_bytes", Of::Number),
        has("read_bytes", Of::Number),
        has("read_from_medium_bytes", Of::Number),
        has("written_sizes", Of::Named("Histogram")),
        has("read_sizes", Of::Named("Histogram")),
        has("filemarks", Of::Number),
        has("read_failures", Of::Number),
        has("write_failures", Of::Number),
        has("threaded", Of::Flag),
        has("position", Of::OrNull(&Of::Named("TapePosition"))),
        has("loads", Of::Number),
        has("cleanings", Of::Number),
    ]]),
    ("TapePosition", &[&[has("partition", Of::Number), has("object", Of::Number)]]),
    ("MoveMetrics", &[&[has("done", Of::Number), has("refused", Of::Number), has("failed", Of::Number)]]),
    ("ElementCount", &[&[
        has("element", Of::Words(&["slot", "io"])),
        has("state", Of::Words(&["full", "empty", "disabled", "blocked"])),
        has("count", Of::Number),
    ]]),
    ("CartridgeCount", &[&[
        has("library", Of::Text),
        has("pool", Of::Text),
        has("state", Of::Words(&["blank", "written", "unknown", "cleaning", "unusable"])),
        has("count", Of::Number),
    ]]),
    ("DirectorySpace", &[&[has("directory", Of::Text), has("free_bytes", Of::Number), has("size_bytes", Of::Number)]]),
    ("PortalMetrics", &[&[
        has("address", Of::Text),
        has("connections", Of::Number),
        has("sessions", Of::Number),
        has("logins", Of::Number),
        has("logins_refused", Of::Map(&Of::Number)),
        has("received_bytes", Of::Number),
        has("sent_bytes", Of::Number),
    ]]),
    ("ProcessMetrics", &[&[
        has("resident_bytes", Of::Number),
        has("virtual_bytes", Of::Number),
        has("threads", Of::Number),
    ]]),
    ("AuditRecord", &[&[
        has("seq", Of::Number),
        has("at", Of::Number),
        has("actor", Of::Named("Actor")),
        has("action", Of::Text),
        may("objects", TEXTS),
        may("details", Of::Any),
        may("before", Of::Any),
        may("after", Of::Any),
        has("result", Of::Text),
        may("error", Of::Text),
    ]]),
    ("Actor", &[&[
        has("kind", Of::Words(&["user", "token", "certificate", "http_client", "initiator", "signal", "program", "site"])),
        has("name", Of::Text),
        may("uid", Of::Number),
        may("from", Of::Text),
        may("request_id", Of::Text),
    ]]),
    ("VerifiedAudit", &[&[has("files", Of::Number), has("last", Of::Named("AuditLink"))]]),
    ("AuditLink", &[&[has("seq", Of::Number), has("hash", Of::Text)]]),
    ("Problem", &[&[
        has("type", Of::Text),
        has("title", Of::Text),
        has("status", Of::Number),
        has("detail", Of::Text),
        has("code", Of::Text),
        may("fields", Of::Object),
    ]]),
];

/// Lists in pages: the name of the schema, and that of an item.
const PAGES: &[(&str, &str)] = &[
    ("Libraries", "Library"),
    ("Drives", "Drive"),
    ("Slots", "Slot"),
    ("Cartridges", "CartridgeStatus"),
    ("Shelves", "Shelf"),
    ("Pools", "PoolStatus"),
    ("Alerts", "AlertStatus"),
    ("Alarms", "Alarm"),
    ("Faults", "FaultStatus"),
    ("Counters", "UnitCommandCounters"),
    ("Jobs", "Job"),
    ("AuditRecords", "AuditRecord"),
    ("Tokens", "TokenStatus"),
    ("Notifications", "NotifyStatus"),
    ("ObjectShelves", "ShelfStatus"),
    ("IscsiSessions", "IscsiSession"),
];

impl Of {
    fn schema(&self) -> RefOr<Schema> {
        let plain = |kind: Type| ObjectBuilder::new().schema_type(SchemaType::Type(kind));
        let object = match self {
            Self::Text => plain(Type::String),
            Self::Number => plain(Type::Integer).minimum(Some(0_usize)),
            Self::Flag => plain(Type::Boolean),
            Self::Object => plain(Type::Object),
            Self::Any => ObjectBuilder::new().schema_type(SchemaType::AnyValue),
            Self::Words(words) => plain(Type::String).enum_values(Some(words.iter().copied())),
            Self::Named(name) => return Ref::from_schema_name(*name).into(),
            Self::List(item) => return Schema::from(ArrayBuilder::new().items(item.schema()).build()).into(),
            Self::Map(value) => {
                plain(Type::Object).additional_properties(Some(AdditionalProperties::RefOr(value.schema())))
            }
            Self::OrNull(value) => {
                let null = plain(Type::Null).build();
                return Schema::from(OneOfBuilder::new().item(value.schema()).item(null).build()).into();
            }
        };
        Schema::from(object.build()).into()
    }
}

/// A page of items of a schema.
fn page(item: &'static str) -> RefOr<Schema> {
    let items = ArrayBuilder::new().items(Ref::from_schema_name(item)).build();
    let none = Some(AdditionalProperties::<Schema>::FreeForm(false));
    let page = ObjectBuilder::new().additional_properties(none).property("items", items).required("items");
    Schema::from(page.property("next", Of::Text.schema()).build()).into()
}

fn object<'a>(fields: impl IntoIterator<Item = &'a Field>) -> RefOr<Schema> {
    let none = Some(AdditionalProperties::<Schema>::FreeForm(false));
    let mut object = ObjectBuilder::new().additional_properties(none);
    for field in fields {
        object = object.property(field.name, field.of.schema());
        if field.is_required {
            object = object.required(field.name);
        }
    }
    Schema::from(object.build()).into()
}

/// Every schema with its name.
pub(crate) fn all() -> Vec<(&'static str, RefOr<Schema>)> {
    let any_object = || Schema::from(ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object)).build());
    let places = ["InElement", "OnShelf"].into_iter().map(Ref::from_schema_name);
    let location = places.fold(OneOfBuilder::new(), OneOfBuilder::item).build();
    let objects = OBJECTS.iter().map(|(name, groups)| (*name, object(groups.iter().copied().flatten())));
    let pages = PAGES.iter().map(|(name, item)| (*name, page(item)));
    let others = [
        ("Location", Schema::from(location).into()),
        ("OpenApi", any_object().into()),
        ("EventStream", Of::Text.schema()),
        ("MetricsText", Of::Text.schema()),
    ];
    objects.chain(pages).chain(others).collect()
}
