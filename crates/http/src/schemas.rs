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
    Words(&'static [&'static str]),
    Of(&'static str),
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
const LABEL: Of = Of::Words(&["missing", "unreadable"]);
const FAULT: Of = Of::Words(&["disabled", "blocked"]);
const KIND: Of = Of::Words(&["data", "worm", "cleaning", "null"]);

const SUMMARY: &[Field] = &[
    has("name", Of::Text),
    has("model", Of::Text),
    has("serial", Of::Text),
    has("target", Of::Text),
    has("lun", Of::Number),
    has("shelf", Of::Text),
    has("online", Of::Flag),
    may("faulty", Of::Text),
    has("door_open", Of::Flag),
    has("station_open", Of::Flag),
    has("alerts", TEXTS),
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
const DRIVE: &[Field] = &[
    has("model", Of::Text),
    has("serial", Of::Text),
    has("lun", Of::Number),
    has("online", Of::Flag),
    may("faulty", Of::Text),
    has("ejected", Of::Flag),
    may("refused", Of::Text),
    has("threaded", Of::Flag),
    has("alerts", TEXTS),
];
const IN_LIBRARY: &[Field] = &[has("library", Of::Text), has("element", Of::Text)];
const UNIT: &[Field] =
    &[has("library", Of::Text), has("unit", Of::Text), has("device", Of::Words(&["drive", "changer", "target"]))];

/// Objects: the name of the schema, and groups of members.
#[rustfmt::skip]
const OBJECTS: &[(&str, &[&[Field]])] = &[
    ("SiteStatus", &[&[
        has("libraries", Of::List(&Of::Of("LibraryStatus"))),
        has("shelves", Of::Map(&TEXTS)),
        has("version", Of::Number),
        may("warnings", TEXTS),
        may("portals", TEXTS),
        may("http", TEXTS),
    ]]),
    ("LibraryStatus", &[SUMMARY, &[
        has("drives", Of::List(&Of::Of("DriveStatus"))),
        has("io_elements", Of::List(&Of::Of("ElementStatus"))),
        has("slots", Of::List(&Of::Of("ElementStatus"))),
    ]]),
    ("Library", &[SUMMARY, &[
        has("drive_count", Of::Number),
        has("io_element_count", Of::Number),
        has("slot_count", Of::Number),
    ]]),
    ("ElementStatus", &[ELEMENT]),
    ("DriveStatus", &[ELEMENT, DRIVE]),
    ("Slot", &[IN_LIBRARY, ELEMENT]),
    ("Drive", &[IN_LIBRARY, ELEMENT, DRIVE]),
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
    ("LabelStatus", &[&[has("barcode", Of::Text), may("label", LABEL)]]),
    ("ProtectStatus", &[&[has("barcode", Of::Text), has("write_protected", Of::Flag)]]),
    ("RetentionStatus", &[&[has("barcode", Of::Text), has("retained_until", Of::Number)]]),
    ("RemovedCartridge", &[&[has("barcode", Of::Text)]]),
    ("InjectedFault", &[&[has("fault", Of::Words(&["pick", "place", "load", "unload"])), has("library", Of::Text)]]),
    ("AlertStatus", &[&[
        has("library", Of::Text),
        may("drive", Of::Text),
        has("flag", Of::Number),
        has("name", Of::Text),
        has("raised", Of::Flag),
    ]]),
    ("CartridgeStatus", &[&[
        has("cartridge", Of::Text),
        has("location", Of::Of("Location")),
        may("element", Of::Text),
        has("size", Of::Number),
        may("kind", KIND),
        may("label", LABEL),
        may("cleanings_left", Of::Number),
        may("blank", Of::Flag),
        may("pool", Of::Text),
        has("write_protected", Of::Flag),
        may("retained_until", Of::Number),
        may("unusable", Of::Text),
        has("loads", Of::Number),
    ]]),
    ("InElement", &[&[has("element", Of::Of("ElementLocation"))]]),
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
    ("CreatedCartridges", &[&[has("created", TEXTS)]]),
    ("ReloadReport", &[&[has("changes", Of::List(&Of::Of("ReloadChange")))]]),
    ("ReloadChange", &[&[
        has("change", Of::Text),
        may("library", Of::Text),
        may("slots", Of::Number),
        may("import_export", Of::Number),
        may("drives", Of::Number),
        may("count", Of::Number),
        may("pool", Of::Text),
    ]]),
    ("CommandTrace", &[&[
        has("start", Of::Text),
        has("last", Of::Number),
        has("lost", Of::Number),
        has("commands", Of::List(&Of::Of("TraceRecord"))),
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
        may("data_in", Of::Text),
        may("data_out", Of::Text),
        has("decoded", Of::Of("Decoded")),
    ]]),
    ("Decoded", &[&[
        has("command", Of::OrNull(&Of::Text)),
        has("fields", Of::Object),
        has("status", Of::OrNull(&Of::Text)),
        has("sense", Of::OrNull(&Of::Text)),
    ]]),
    ("UnitCommandCounters", &[UNIT, &[
        has("commands", Of::List(&Of::Of("CommandCount"))),
        has("bytes_in", Of::Number),
        has("bytes_out", Of::Number),
        has("run_us", Of::Of("Histogram")),
        has("queued_us", Of::Of("Histogram")),
        has("sense", Of::List(&Of::Of("SenseCount"))),
    ]]),
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
    ("Counters", "UnitCommandCounters"),
];

impl Of {
    fn schema(&self) -> RefOr<Schema> {
        let plain = |kind: Type| ObjectBuilder::new().schema_type(SchemaType::Type(kind));
        let object = match self {
            Self::Text => plain(Type::String),
            Self::Number => plain(Type::Integer).minimum(Some(0_usize)),
            Self::Flag => plain(Type::Boolean),
            Self::Object => plain(Type::Object),
            Self::Words(words) => plain(Type::String).enum_values(Some(words.iter().copied())),
            Self::Of(name) => return Ref::from_schema_name(*name).into(),
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
    ];
    objects.chain(pages).chain(others).collect()
}
