//! The members of requests: in the path, the query or the body.

/// Type of the value of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text of at most 255 characters.
    Text,
    /// Text of at most this many characters, with any number of lines.
    LongText(usize),
    /// A whole number between two limits, both included.
    Number(u64, u64),
    /// A list of 1 to this many texts.
    Texts(usize),
    /// The JSON value `true` or `false`.
    Flag,
    /// Text that is one of these words.
    Words(&'static [&'static str]),
    /// One of these words, or null.
    WordsOrNull(&'static [&'static str]),
}

/// A member of a request, in its path, its query or its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Name in the control request, and in the path, the query or the body.
    pub name: &'static str,
    /// Type of its value, and its limits.
    pub kind: Kind,
    /// Whether a request without it is refused.
    pub required: bool,
    /// One sentence for the description.
    pub doc: &'static str,
    /// Member of the control request, an object, that this one is in; `None` for a member of the request itself.
    pub group: Option<&'static str>,
}

impl Member {
    pub(super) const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, required: true, doc, group: None }
    }

    pub(super) const fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    pub(super) const fn in_group(self, group: &'static str) -> Self {
        Self { group: Some(group), ..self }
    }
}

/// A member in the path: its type and description by its name.
#[cfg(feature = "server")]
pub(crate) fn in_path(name: &'static str) -> Member {
    match name {
        "flag" => FLAG,
        "door" => DOOR,
        "drive" => DRIVE,
        "element" => Member::new("element", Kind::Text, "Element by name (`slot3`), address or barcode."),
        "cartridge" => Member::new("cartridge", Kind::Text, "Barcode of the cartridge."),
        "job" => Member::new("job", Kind::Number(1, u64::MAX), "Number of the job."),
        "target" => Member::new("target", Kind::Text, "Name of the notification target."),
        "pool" => Member::new("pool", Kind::Text, "Name of the pool."),
        _ => Member::new(name, Kind::Text, "Name of the object."),
    }
}

pub(super) const LIBRARY: Member =
    Member::new("library", Kind::Text, "Library; needed if the site has several and no barcode identifies it.")
        .optional();
pub(super) const DRIVE: Member =
    Member::new("drive", Kind::Text, "Drive by name (`drive1`) or address, or the barcode of the cartridge in it.");
pub(super) const FLAG: Member = Member::new("flag", Kind::Number(1, 64), "Number of the TapeAlert flag.");
#[cfg(feature = "server")]
pub(super) const DOOR: Member =
    Member::new("door", Kind::Words(&["access", "io_station"]), "The access door, or the import/export station.");
pub(super) const ONLINE: Member = Member::new("online", Kind::Flag, "True sets it online, false offline.");
/// Most items in one page.
pub(crate) const MAX_LIMIT: u64 = 1000;
pub(super) const LIMIT: Member =
    Member::new("limit", Kind::Number(1, MAX_LIMIT), "Most items in the response; 1,000 by default.").optional();
pub(super) const AFTER: Member =
    Member::new("after", Kind::Text, "The value of `next` in the response with the page before.").optional();
