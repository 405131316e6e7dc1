//! The file as it is written: each table, its keys and what they mean. The parser and the documentation both read this.

use serde::Deserialize;
use toml::Spanned;

/// A key, for the documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// What it takes; empty for a table of its own.
    pub(super) takes: &'static str,
    pub(super) about: &'static [&'static str],
}

/// A table, for the documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) header: &'static str,
    pub(super) about: &'static [&'static str],
    pub(super) keys: &'static [Key],
}

/// What a key takes, by its type.
trait Takes {
    const TAKES: &'static str;
}

pub(crate) type Text = Option<Spanned<String>>;
pub(crate) type Number = Option<Spanned<u16>>;
pub(crate) type Texts = Vec<Spanned<String>>;
pub(crate) type Flag = Option<Spanned<bool>>;
/// Tables of one name, each with its place in the file.
pub(crate) type Tables<T> = Vec<Spanned<T>>;

impl Takes for Text {
    const TAKES: &'static str = "text";
}

impl Takes for Number {
    const TAKES: &'static str = "number";
}

impl Takes for Flag {
    const TAKES: &'static str = "true or false";
}

impl Takes for Texts {
    const TAKES: &'static str = "list of texts";
}

impl Takes for Option<Texts> {
    const TAKES: &'static str = "list of texts";
}

/// A secret: any text. Errors of its type never quote the value.
#[derive(Clone, Default)]
pub(crate) struct SecretText(pub(crate) String);

impl Takes for Option<Spanned<SecretText>> {
    const TAKES: &'static str = "text";
}

/// What is wrong with a secret of another type.
pub(super) const NOT_A_SECRET: &str = "a secret is text in double quotes";

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // The error of another type would quote the value.
        let text = String::deserialize(from).map_err(|_| serde::de::Error::custom(NOT_A_SECRET))?;
        Ok(Self(text))
    }
}

macro_rules! tables {
    ($($(#[doc = $about:literal])+ $table:ident = $header:literal {
        $($(#[doc = $doc:literal])+ $key:ident: $type:ty),+ $(,)?
    })+) => {
        $($(#[doc = $about])+
        #[derive(Deserialize, Default)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $table {
            $($(#[doc = $doc])+ pub(crate) $key: $type),+
        }

        impl Takes for Option<Tables<$table>> {
            const TAKES: &'static str = "";
        }

        impl Takes for Tables<$table> {
            const TAKES: &'static str = "";
        }

        impl Takes for Option<Spanned<$table>> {
            const TAKES: &'static str = "";
        })+

        /// Every table of the file, in the order in which people meet them.
        pub(super) const TABLES: &[Table] = &[$(Table {
            header: $header,
            about: &[$($about),+],
            keys: &[$(Key {
                name: stringify!($key),
                takes: <$type as Takes>::TAKES,
                about: &[$($doc),+],
            }),+],
        }),+];
    };
}

tables! {
    /// One logical library. A file of one library may write `[library]`, and `[[drive]]` and `[[cartridges]]` beside it.
    LibraryTable = "[[library]]" {
        /// Its name: 1 to 32 of a-z, 0-9, `-` and `_`. The first is `main` if it has none; others need one.
        name: Text,
        /// Its model, `STK L700` if none is given. `ferric config models` lists them.
        model: Text,
        /// Serial number of the changer, up to 15 characters. Made once per data directory if none is given.
        serial: Text,
        /// World wide name of the changer, 16 hexadecimal digits. Made once per data directory if none is given.
        naa: Text,
        /// Vendor identification, up to 8 characters: the model's if none is given.
        vendor: Text,
        /// Product identification, up to 16 characters: the model's if none is given.
        product: Text,
        /// Product revision level, up to 4 characters: the model's if none is given.
        revision: Text,
        /// Storage elements: 24 if it is not given, or as many as the model has.
        slots: Number,
        /// Import/export elements: 4 if it is not given, or as many as the model has.
        import_export: Number,
        /// Where elements begin, if not where the model's do.
        first: Option<Spanned<FirstTable>>,
        /// The shelf where cartridges are that left it. Libraries that name the same one share it. Its own name if none is
        /// given.
        shelf: Text,
        /// The target it is behind: an iSCSI name, or what follows the site's own. Libraries that name the same one share
        /// it, in LUN ranges. The first library is behind the site's own name, others behind that and their own.
        target: Text,
        /// First LUN there: the changer's; its drives follow. The next that is free if it is not given.
        lun: Number,
        /// `operator`, or `at once`: what the robot puts into an import/export element goes to the shelf.
        export: Text,
        /// `operator`, or `at once`: what comes to the shelf from elsewhere is put into an import/export element.
        import: Text,
        /// Its drives.
        drive: Option<Tables<DriveTable>>,
        /// Its cartridges.
        cartridges: Option<Tables<CartridgeTable>>,
    }

    /// Addresses of first elements; what is not given is the model's. With this table, only addresses limit how many
    /// elements there are.
    FirstTable = "[library.first]" {
        /// Address of the robot.
        robot: Number,
        /// Address of the first storage element.
        slots: Number,
        /// Address of the first import/export element.
        import_export: Number,
        /// Address of the first drive.
        drives: Number,
    }

    /// Drives, which take the elements and LUNs in order. Two `ULT3580-TD8` if none are given.
    DriveTable = "[[library.drive]]" {
        /// Their model, such as `ULT3580-TD8`. `ferric config models` lists them. Needed.
        model: Text,
        /// How many: 1 if it is not given.
        count: Number,
        /// How blocks are stored while a host leaves compression on: `none`, `zlib` to `zlib:9`, `zstd` to `zstd:19`.
        /// `zstd:1` if it is not given.
        compression: Text,
        /// Serial number, of one drive. Made once per data directory if none is given.
        serial: Text,
        /// World wide name, 16 hexadecimal digits, of one drive. Made once per data directory if none is given.
        naa: Text,
        /// Vendor identification, up to 8 characters: the model's if none is given.
        vendor: Text,
        /// Product identification, up to 16 characters: the model's if none is given.
        product: Text,
        /// Product revision level, up to 4 characters: the model's if none is given.
        revision: Text,
    }

    /// Cartridges that are made, and put into the first free slots, if they are not there. One that is no longer listed
    /// stays.
    CartridgeTable = "[[library.cartridges]]" {
        /// Their labels: one run of `#` counts. The last two characters are the generation (`L5` to `L9`, `LV` to `LZ` for
        /// those written once) or another medium (`TA` for T10000A); what begins with `CLN` is for cleaning. Needed.
        pattern: Text,
        /// Their medium, such as `LTO-8` or `T10KB`, if the label does not say it.
        medium: Text,
        /// What they are for, if the label does not say it: `data`, `worm`, `null` or `cleaning`.
        kind: Text,
        /// `missing`: hosts see no label, and operators still know it.
        label: Text,
        /// How many: 1 if it is not given.
        count: Number,
        /// Number of the first: 1 if it is not given.
        first: Number,
        /// Bytes that each holds, as written: `100GB`, `2.5TB`, `64MiB`. The generation's capacity if it is not given.
        size: Text,
        /// How its files are written: `ferric`, or `mhvtl` for what mhvtl 1.8 reads.
        level: Text,
        /// Element where the first of them is put when it is made: `slot3`, `io1` (or `port1`) or `drive1`; the others follow.
        /// The first free slots if it is not given. If another cartridge has the element at a start, a free slot with a
        /// warning in the log; a reload is refused.
        at: Text,
    }

    /// A pool: cartridges whose labels are of one pattern, and so many blank ones of them at hand.
    PoolTable = "[[pool]]" {
        /// Its name, as that of a library. Needed.
        name: Text,
        /// Labels: one run of `#` counts. Needed.
        pattern: Text,
        /// Bytes that each new one holds. The generation's capacity if it is not given.
        size: Text,
        /// How files of new ones are written: `ferric` or `mhvtl`.
        level: Text,
        /// The library where new ones appear: in a slot, or on its shelf if it has no free slot. The first if none is given.
        library: Text,
        /// So many blank cartridges are kept in that library and on its shelf, not counting those in drives; what is missing
        /// is made. 0 if it is not given: none are made.
        scratch: Number,
    }

    /// Where data is kept.
    StorageTable = "[storage]" {
        /// Directories of cartridges, which are found in any of them; new ones are made in the first. `cartridges` in the
        /// data directory if none are given.
        cartridges: Texts,
        /// Group, by name or number, that may read the data directory and the cartridges. Only the owner of the daemon may
        /// if none is given.
        group: Text,
        /// Other programs use the directories of cartridges, too: permissions are left to them and to the umask. False if it
        /// is not given. Configurations of mhvtl are read with true.
        shared: Flag,
        /// Create directories of cartridges that do not exist. False if it is not given: they are an error.
        create: Flag,
    }

    /// The iSCSI door.
    IscsiTable = "[iscsi]" {
        /// `ADDRESS:PORT` to listen on: `127.0.0.1:3260` if it is not given. Port 0 takes a free one.
        bind: Text,
        /// The site's target name. Made once per data directory if none is given.
        iqn: Text,
        /// `ADDRESS:PORT` that SendTargets gives; `none`: SendTargets gives no address, so that the initiator uses the one of
        /// its discovery session. If the key is not given: `none` for open-iscsi, and the local address of the connection
        /// for other initiators.
        advertise: Text,
        /// Names of the initiators that may log in. All may if the key is not given; none may if the list is empty.
        initiators: Option<Texts>,
        /// Who may log in, by CHAP.
        user: Tables<UserTable>,
        /// How the target proves itself to who asks.
        mutual: Option<Spanned<UserTable>>,
        /// Networks whose addresses may connect, such as `["10.0.0.0/8", "::1"]`. All may if the key is not given; none may
        /// if the list is empty. It holds for SendTargets too, and for connections that are made after a reload.
        networks: Option<Texts>,
        /// Bytes that the data of all commands may take together, at least 96MiB: commands that need more wait. A quarter of
        /// the physical memory, of the limit of the control group or of `RLIMIT_AS`, whichever is the smallest, if it is not
        /// given.
        buffer_memory: Text,
        /// Connections of one address at one time: 512 if it is not given, or half of the sessions that `buffer_memory` is enough
        /// for, if those are fewer.
        max_connections_per_address: Number,
        /// Connections of one address, at one time, that are not logged in to a target: 32 if it is not given. The oldest is
        /// closed for a new one.
        max_unauthenticated_per_address: Number,
    }

    /// A CHAP user; no authentication if there is none. `[iscsi.mutual]`, with the same keys, is what the target proves
    /// itself with.
    UserTable = "[[iscsi.user]]" {
        /// Its name, 1 to 255 characters, unlike that of every other user. Needed.
        name: Text,
        /// Its secret, 12 to 255 characters. Needed.
        secret: Option<Spanned<SecretText>>,
    }
}

/// The whole file.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) library: Option<Spanned<OneOrMany>>,
    pub(super) drive: Option<Tables<DriveTable>>,
    pub(super) cartridges: Option<Tables<CartridgeTable>>,
    pub(super) pool: Tables<PoolTable>,
    pub(super) storage: StorageTable,
    pub(super) iscsi: IscsiTable,
}

/// `[library]`, or `[[library]]` for each of several.
#[derive(Default)]
pub(super) struct OneOrMany(pub(super) Vec<Spanned<LibraryTable>>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Tables;
        impl<'de> serde::de::Visitor<'de> for Tables {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a table [library], or tables [[library]]")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<OneOrMany, A::Error> {
                let table = LibraryTable::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                // The place of the one table is that of the whole.
                Ok(OneOrMany(vec![Spanned::new(0..0, table)]))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut tables: A) -> Result<OneOrMany, A::Error> {
                let mut all = Vec::new();
                while let Some(table) = tables.next_element()? {
                    all.push(table);
                }
                Ok(OneOrMany(all))
            }
        }
        from.deserialize_any(Tables)
    }
}
