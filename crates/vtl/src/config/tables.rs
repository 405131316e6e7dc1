//! The tables and keys of the configuration file. The parser and the documentation are both generated from them.

use crate::faults::Fault;
use serde::Deserialize;
use toml::Spanned;

/// Documentation of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// Type of the value as the documentation calls it; empty for a subtable.
    pub(super) value_type: &'static str,
    pub(super) doc: &'static [&'static str],
}

/// Documentation of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) header: &'static str,
    pub(super) doc: &'static [&'static str],
    pub(super) keys: &'static [Key],
}

/// Types that a key can have.
trait ValueType {
    const VALUE_TYPE: &'static str;
}

pub(crate) type Text = Option<Spanned<String>>;
pub(crate) type Number = Option<Spanned<u16>>;
pub(crate) type Texts = Vec<Spanned<String>>;
pub(crate) type Flag = Option<Spanned<bool>>;
/// Tables with the same header, each with its position in the file.
pub(crate) type Tables<T> = Vec<Spanned<T>>;

impl ValueType for Text {
    const VALUE_TYPE: &'static str = "string";
}

impl ValueType for Number {
    const VALUE_TYPE: &'static str = "number";
}

impl ValueType for Flag {
    const VALUE_TYPE: &'static str = "true or false";
}

impl ValueType for Texts {
    const VALUE_TYPE: &'static str = "list of strings";
}

impl ValueType for Option<Texts> {
    const VALUE_TYPE: &'static str = "list of strings";
}

/// A secret. Deserialization errors never quote its value.
#[derive(Clone, Default)]
pub(crate) struct SecretText(pub(crate) String);

impl ValueType for Option<Spanned<SecretText>> {
    const VALUE_TYPE: &'static str = "string";
}

/// Error for a secret that is not a string.
pub(super) const NOT_A_SECRET: &str = "a secret is a string in double quotes";

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // The standard error for another type quotes the value.
        let text = String::deserialize(from).map_err(|_| serde::de::Error::custom(NOT_A_SECRET))?;
        Ok(Self(text))
    }
}

macro_rules! tables {
    ($($(#[doc = $table_doc:literal])+ $table:ident = $header:literal {
        $($(#[doc = $doc:literal])+ $key:ident: $type:ty),+ $(,)?
        $(; former $former:ident: $former_type:ty)?
    })+) => {
        $($(#[doc = $table_doc])+
        #[derive(Deserialize, Default)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $table {
            $($(#[doc = $doc])+ pub(crate) $key: $type,)+
            $(pub(crate) $former: $former_type)?
        }

        impl ValueType for Option<Tables<$table>> {
            const VALUE_TYPE: &'static str = "";
        }

        impl ValueType for Tables<$table> {
            const VALUE_TYPE: &'static str = "";
        }

        impl ValueType for Option<Spanned<$table>> {
            const VALUE_TYPE: &'static str = "";
        })+

        /// Every table of the file, in the order of the documentation.
        pub(super) const TABLES: &[Table] = &[$(Table {
            header: $header,
            doc: &[$($table_doc),+],
            keys: &[$(Key {
                name: stringify!($key),
                value_type: <$type as ValueType>::VALUE_TYPE,
                doc: &[$($doc),+],
            }),+],
        }),+];
    };
}

tables! {
    /// One logical library. A file with one library may use `[library]`, with `[[drive]]` and `[[cartridges]]` at the top
    /// level. A file without a library has the default one; `library = []` at the top makes a site without libraries, whose
    /// first one the [console](console.md) lets an administrator choose.
    LibraryTable = "[[library]]" {
        /// Name of the library: 1 to 32 of a-z, 0-9, `-` and `_`. Default: `main` for the first library; required for
        /// others.
        name: Text,
        /// Model of the library; `ferric config models` lists them. Default: `STK L700`.
        model: Text,
        /// Serial number of the changer, 1 to 32 characters. Default: generated once per data directory.
        serial: Text,
        /// `true`: the changer reports `serial` unchanged, as mhvtl does. `false`: in the form of the model, which may add zeros, the
        /// first storage address or the number of the logical library. Default: `false`, but `true` for a library of mhvtl.
        exact_serial: Flag,
        /// World wide name (NAA) of the changer, 16 hexadecimal digits. Default: generated once per data directory.
        naa: Text,
        /// Vendor identification of the changer, up to 8 characters. Default: that of the model.
        vendor: Text,
        /// Product identification of the changer, up to 16 characters. Default: that of the model.
        product: Text,
        /// Product revision level of the changer, up to 4 characters. Default: that of the model.
        revision: Text,
        /// Number of storage elements. Default: 24, or the maximum of the model if that is less.
        slots: Number,
        /// Number of import/export elements. Default: 4, or the maximum of the model if that is less.
        import_export: Number,
        /// Addresses of the first elements, if they differ from those of the model.
        first: Option<Spanned<FirstTable>>,
        /// Shelf for the cartridges that leave the library. Libraries with the same shelf share its cartridges. Default: the
        /// name of the library.
        shelf: Text,
        /// Target of the library: a complete iSCSI name, or a suffix that is appended to the target name of the site.
        /// Libraries with the same target share it, each with its own range of LUNs. Default: the target name of the site
        /// for the first library, and the name of the library as suffix for others.
        target: Text,
        /// LUN of the changer; the LUNs of the drives follow it. Default: the next free LUN of the target.
        lun: Number,
        /// `auto` moves a cartridge to the shelf as soon as the robot puts it into an import/export element; `manual`
        /// leaves this to an operator. Default: `manual`.
        export: Text,
        /// `auto` puts a cartridge into an import/export element as soon as it arrives on the shelf from another library;
        /// `manual` leaves this to an operator. Default: `manual`. Only one of `export` and `import` can be `auto`.
        import: Text,
        /// Program with its arguments that the robot runs before each move, as mhvtl's `movecommand`. It gets five more
        /// arguments: type and number of the source element (`Picker`, `Storage`, `MAP`, `Drive`; from 1), those of the
        /// destination element, and the barcode. If it fails, the move fails with HARDWARE ERROR 04h/03h. Not a shell
        /// command. Default: none.
        move_command: Option<Texts>,
        /// Time in seconds after which `move_command` is killed, and has failed. Default: 20.
        move_command_timeout: Number,
        /// Place of the library in a chassis, if it is a partition.
        partition: Option<Spanned<PartitionTable>>,
        /// Drives of the library.
        drive: Option<Tables<DriveTable>>,
        /// Use of the time that hardware would take for a command, by the drives and the robot: `off`, none; `counted`,
        /// they count and report it; `real`, they wait for it; `scaled:N`, they wait for the N-th part of it
        /// ([timing.md](timing.md)). Default: `time` at the top of the file, or `off` without it.
        time: Text,
        /// Cartridges of the library.
        cartridges: Option<Tables<CartridgeTable>>,
        /// Pages of the changer that differ from those of its model: tables `[[library.page]]` with the keys of
        /// `[[library.drive.page]]`.
        page: Option<Tables<PageTable>>,
    }

    /// Addresses of the first element of each type. Default: those of the model. With this table, only the address range
    /// limits the number of elements.
    FirstTable = "[library.first]" {
        /// Address of the robot (medium transport element).
        robot: Number,
        /// Address of the first storage element.
        slots: Number,
        /// Address of the first import/export element.
        import_export: Number,
        /// Address of the first drive.
        drives: Number,
    }

    /// Makes the library a partition of a chassis (`[[chassis]]`). Hosts see a separate library, with its own changer, serial number
    /// and element addresses. `slots`, `import_export` and the drives of the library are its share of the chassis; `model` is that of
    /// the chassis. See [partitions.md](partitions.md).
    PartitionTable = "[library.partition]" {
        /// Name of the chassis. Required.
        chassis: Text,
        /// Number of the partition, from 1, from which the model makes the serial number of its changer. Default: the next number in
        /// the chassis.
        number: Number,
        /// Number of the first slot of the partition in the chassis, from 1; the others follow. Default: the slot after those of the
        /// partition before.
        slots: Number,
        /// Number of its first slot in the I/O station, from 1, if that is divided. Default: the one after those of the partition
        /// before.
        import_export: Number,
        /// Number of its first drive in the chassis, from 1. Default: the one after those of the partition before.
        drives: Number,
    }

    /// Drives, in order of their elements and LUNs. Default: two `ULT3580-TD8`.
    DriveTable = "[[library.drive]]" {
        /// Model of the drives, such as `ULT3580-TD8`; `ferric config models` lists them. Required.
        model: Text,
        /// Number of drives. Default: 1.
        count: Number,
        /// Compression of blocks while the host leaves compression on: `none`, `zlib` (or `zlib:1` to `zlib:9`), `zstd` (or
        /// `zstd:1` to `zstd:19`). Default: `zstd:1`.
        compression: Text,
        /// Serial number, 1 to 32 characters; only if `count` is 1. Default: generated once per data directory.
        serial: Text,
        /// World wide name (NAA), 16 hexadecimal digits; only if `count` is 1. Default: generated once per data directory.
        naa: Text,
        /// Vendor identification, up to 8 characters. Default: that of the model.
        vendor: Text,
        /// Product identification, up to 16 characters. Default: that of the model.
        product: Text,
        /// Product revision level, up to 4 characters. Default: that of the model.
        revision: Text,
        /// Use of the time that hardware would take, as `time` of `[[library]]`. Default: that of the library.
        time: Text,
        /// Name of the daemon that serves the drives, if it is not the one that runs the site: it is started with `--site`,
        /// `--name` and `--drives NAME`. Only for a site in an object store.
        daemon: Text,
        /// Pages of the drives that differ from those of their model.
        page: Option<Tables<PageTable>>,
    }

    /// A page of a drive, or with `[[library.page]]` of the changer, that differs from that of its model: the whole page, or
    /// some of its bytes. All other bytes keep their current values. `ferric personality import` makes these tables from a dump
    /// of a device. The header of a page must agree with its data.
    PageTable = "[[library.drive.page]]" {
        /// `inquiry` (standard INQUIRY data), `vpd`, `mode`, `log`; `mode-header`, the mode parameter header and block descriptor
        /// as in MODE SENSE(10); or, of a drive, `densities` or `medium-types`, the data of REPORT DENSITY SUPPORT for all media.
        /// Required.
        kind: Text,
        /// Page code, such as `0x83`. Required for `vpd`, `mode` and `log`.
        code: Number,
        /// Subpage code of a mode or log page. Default: 0.
        subpage: Number,
        /// Values of a mode page: `current` (after power-on), `default`, `saved`; `all`, which are these three;
        /// or `changeable`, the mask of the bits that MODE SELECT may change. Default: `all`.
        values: Text,
        /// Offset in the page at which `bytes` begin. Default: `bytes` are the whole page with its header, which is added if
        /// the model does not have it.
        offset: Number,
        /// Bytes as hexadecimal digits; blanks and line breaks between bytes are ignored. Required unless `absent` is `true`.
        bytes: Text,
        /// `true`: the unit does not have the page. Default: `false`.
        absent: Flag,
    }

    /// Cartridges that are created if the site does not have them. A cartridge that is no longer listed stays in the site.
    CartridgeTable = "[[library.cartridges]]" {
        /// Barcodes, with one run of `#` for a number. The last two characters give the medium (`L5` to `L9` for LTO, `LA` and
        /// `PA` for LTO-10, `LV` to `LZ` and `LH` for WORM, `TA` for T10000A and so on); barcodes that begin with `CLN` are
        /// cleaning cartridges. Required.
        pattern: Text,
        /// Medium, such as `LTO-8` or `T10KB`, if the barcode does not give it.
        medium: Text,
        /// Kind, if the barcode does not give it: `data`, `worm`, `null` (stores no data) or `cleaning`.
        kind: Text,
        /// `missing`: the barcode label is missing, so that hosts get no volume tag. Operators still use the barcode.
        label: Text,
        /// Number of cartridges. Default: 1.
        count: Number,
        /// Number in the barcode of the first cartridge. Default: 1.
        first: Number,
        /// Capacity of each cartridge: `100GB`, `2.5TB`, `64MiB`. Default: that of the medium.
        size: Text,
        /// Format of the files: `native`, or `mhvtl` for files that mhvtl 1.8 reads. Default: `native`.
        format: Text,
        /// Element for the first cartridge when it is created: `slot3`, `io1` or `drive1`; the others follow. Default: the
        /// first free slots. If the element holds another cartridge, the daemon uses a free slot and logs a warning at its
        /// start, and refuses a reload.
        at: Text,
        ; former level: Text
    }

    /// A chassis: one robot, with slots, drives and one I/O station that are divided into partitions. Each partition is a `[[library]]`
    /// with a table `[library.partition]`.
    ChassisTable = "[[chassis]]" {
        /// Name of the chassis: 1 to 32 of a-z, 0-9, `-` and `_`. Required.
        name: Text,
        /// Model of the chassis and its partitions, as `model` of `[[library]]`. Default: `STK L700`.
        model: Text,
        /// Serial number of the chassis, 1 to 32 characters, from which many models make the serial numbers of the partitions.
        /// Default: generated once per data directory.
        serial: Text,
        /// Number of slots. Default: 24, or the maximum of the model if that is less.
        slots: Number,
        /// Number of slots of the I/O station. Default: 4, or the maximum of the model if that is less.
        import_export: Number,
        /// Number of drives. Default: the maximum of the model.
        drives: Number,
        /// `divided`: a partition has the slots of the I/O station that its `import_export` gives it. `shared`: each partition has all
        /// of them, and while one uses a slot, the others cannot. Default: `divided`.
        io_station: Text,
    }

    /// A pool: all cartridges whose barcodes match a pattern. The daemon keeps a number of blank ones available.
    PoolTable = "[[pool]]" {
        /// Name of the pool: 1 to 32 of a-z, 0-9, `-` and `_`. Required.
        name: Text,
        /// Barcodes, with one run of `#` for a number. Required.
        pattern: Text,
        /// Lowest number of a new cartridge; the next one is after the highest number that is in use. Default: 1.
        first: Number,
        /// Capacity of each new cartridge. Default: that of the medium.
        size: Text,
        /// Format of the files of new cartridges: `native` or `mhvtl`. Default: `native`.
        format: Text,
        /// Library of new cartridges: they are put into a slot, or on its shelf if it has no free slot. Default: the first
        /// library.
        library: Text,
        /// Number of blank cartridges to keep in that library and on its shelf, not counting those in drives; missing ones
        /// are created. Default: 0.
        scratch: Number,
        /// Name of a `[[shelf]]` to which the cartridges of the pool are copied, in place of the `replica` of their shelf:
        /// those on the shelf of `storage.new_cartridges`, or without this key on the first shelf. It comes after that shelf
        /// in the file. Default: the `replica` of the shelf.
        replica: Text,
        ; former level: Text
    }

    /// Storage of cartridges, and access to it.
    StorageTable = "[storage]" {
        /// Directories of cartridges. All of them are searched; new cartridges are created in the first. Default:
        /// `cartridges` in the data directory.
        cartridges: Texts,
        /// Group, by name or number, that may read the data directory and the cartridges. Default: none; only the owner has
        /// access.
        group: Text,
        /// `true`: other programs use the directories of cartridges too, so that Ferric does not change permissions there.
        /// Default: `false`, but `true` for a configuration of mhvtl.
        shared: Flag,
        /// `true`: create missing directories of cartridges. Default: `false`; a missing directory is an error.
        create: Flag,
        /// Name of the `[[shelf]]` on which new cartridges are created. Default: the first directory of cartridges.
        new_cartridges: Text,
    }

    /// A shelf on object storage: cartridges in a bucket or a directory, which several daemons can use, one daemon a
    /// cartridge; see [shelf.md](shelf.md). A cartridge is searched first in the directories of cartridges, then on the
    /// shelves in the order of the file. The key `shelf` of a library is another thing: the place of cartridges outside the
    /// library.
    ShelfTable = "[[shelf]]" {
        /// Name of the shelf: 1 to 32 of a-z, 0-9, `-` and `_`. Required. The data directory has the local files of the
        /// shelf in `shelves/NAME`.
        name: Text,
        /// URL of the shelf: `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX` or `file:///DIRECTORY`. No
        /// user name, password or query: credentials are taken from the environment of the daemon. Required.
        url: Text,
        /// `remote`: a synchronised filemark ends when its data is on the shelf, at most once a second; `local`: it ends
        /// when its data is on the local disk, and the data is put on the shelf in the background. Default: `remote`.
        durability: Text,
        /// `wait`: an unload ends when the shelf has all data of the cartridge; `later`: it ends at once, and the daemon puts the
        /// data on the shelf in the background, while no other daemon can load the cartridge. Default: `wait`.
        unload: Text,
        /// Size of the local files that the shelf also has: `50GB`, at least 1GB. Default: `10GB`.
        cache: Text,
        /// Encrypt new data on the shelf, with a key for each cartridge that this key wraps: `file:PATH`, `variable:NAME` (of
        /// the environment of the daemon) or `command:PROGRAM ARGUMENT...` (its standard output). The key is 64 hexadecimal
        /// digits. Default: no encryption.
        encrypt: Text,
        /// Keys of before, in the same form, with which cartridges can be read until `ferric shelf rewrap`. Default: `[]`.
        former_keys: Texts,
        /// `true`: the store locks the objects of retained cartridges until the retention ends, and of cartridges under a legal hold
        /// until it is released (Object Lock of the S3 protocol, in compliance mode). They cannot be removed before, not even by the owner of the bucket. Object Lock must be enabled for the
        /// bucket. Default: `false`.
        object_lock: Flag,
        /// Storage class in which new segments of at least 1 MiB are created, in a store with the S3 protocol: `STANDARD`, `STANDARD_IA`,
        /// `ONEZONE_IA`, `INTELLIGENT_TIERING`, `GLACIER_IR`, `GLACIER` or `DEEP_ARCHIVE`. Segments of the last two must be thawed
        /// before they are read: a drive that loads the cartridge requests this, and reports NOT READY 04h/01h until it has ended.
        /// All other objects have the class of the store. Default: that of the store.
        class: Text,
        /// Speed with which segments are thawed for a load, which has a price: `bulk`, `standard` or `expedited`; `DEEP_ARCHIVE` has
        /// no `expedited`. Default: `standard`.
        thaw_tier: Text,
        /// Number of days for which thawed segments can be read, 1 to 365. Default: 7.
        thaw_days: Number,
        /// Name of another shelf, which comes later in the file. The cartridges of this shelf are copied to it: at first all
        /// of them in the background, later each after an unload, and at least every 30 seconds while it is in a drive and
        /// written. They are read from it while this shelf does not respond, and are write-protected then. Default: none.
        replica: Text,
    }

    /// The iSCSI portal.
    IscsiTable = "[iscsi]" {
        /// `ADDRESS:PORT` to listen on. Port 0 selects a free port. Default: `127.0.0.1:3260`.
        bind: Text,
        /// Target name of the site. Default: generated once per data directory.
        iqn: Text,
        /// `ADDRESS:PORT` that SendTargets returns, or `none` for no address; the initiator then uses that of its discovery
        /// session. Default: `none` for open-iscsi, and the local address of the connection for other initiators.
        advertise: Text,
        /// Names of the initiators that may log in. Default: all initiators. An empty list allows none.
        initiators: Option<Texts>,
        /// Users that may log in with CHAP.
        user: Tables<UserTable>,
        /// Name and secret with which the target authenticates itself (mutual CHAP).
        mutual: Option<Spanned<UserTable>>,
        /// Networks whose addresses may connect, such as `["10.0.0.0/8", "::1"]`; this applies to discovery too, and to
        /// new connections after a reload. Default: all networks. An empty list allows none.
        networks: Option<Texts>,
        /// Maximum number of bytes for the data of all commands together, at least 96MiB; commands that need more wait.
        /// Default: a quarter of the smallest of physical memory, control group limit and `RLIMIT_AS`.
        buffer_memory: Text,
        /// Maximum number of connections from one address. Default: 512, or half of the sessions for which
        /// `buffer_memory` suffices if that is less.
        max_connections_per_address: Number,
        /// Maximum number of connections from one address that are not logged in to a target; a further one closes the
        /// oldest. Default: 32.
        max_unauthenticated_per_address: Number,
    }

    /// A CHAP user. Without users, initiators log in without authentication. `[iscsi.mutual]` has the same keys, for the
    /// authentication of the target.
    UserTable = "[[iscsi.user]]" {
        /// Name of the user, 1 to 255 characters; no two users have the same. Required.
        name: Text,
        /// Secret of the user, 12 to 255 characters. Required.
        secret: Option<Spanned<SecretText>>,
    }

    /// The HTTP API. Without `listen`, there is none.
    HttpTable = "[http]" {
        /// `ADDRESS:PORT` to listen on, such as `127.0.0.1:8080`. Port 0 selects a free port. Default: no HTTP.
        listen: Text,
        /// `open`: on a loopback address, every user of the machine may make every request without a token; `token`: a
        /// token is needed there, too. Default: `open`.
        loopback: Text,
        /// PEM file with the certificate of the server, and its intermediate certificates. With `certificate` and `key`,
        /// the API is served over TLS only; changed files are read again. Required for an address that is not loopback.
        certificate: Text,
        /// PEM file with the private key of the certificate.
        key: Text,
        /// PEM file with certificates of authorities: a client with a certificate of one of them needs no token.
        client_ca: Text,
        /// Role of these clients: `read`, `operate` or `admin`. Default: `read`.
        client_role: Text,
        /// `true`: serve an address that is not loopback without TLS. Tokens can then be read on the network. Default:
        /// `false`.
        insecure: Flag,
        /// Names by which clients may name the server in a URL without TLS, besides its addresses and `localhost`.
        hosts: Texts,
    }

    /// A target of notifications, which receives events of the site: a webhook (`url`), e-mail (`smtp`) or a program
    /// (`command`); see [notifications.md](notifications.md).
    NotifyTable = "[[notify]]" {
        /// Name of the target: 1 to 32 of a-z, 0-9, `-` and `_`. Required.
        name: Text,
        /// Events that the target receives: names of events, and levels (`info`, `warn`, `error`), which stand for all
        /// events of this level and above. Default: `["warn"]`.
        events: Option<Texts>,
        /// Libraries whose events the target receives, in addition to events that concern no library. Default: all
        /// libraries.
        libraries: Option<Texts>,
        /// Time for which the delivery of an event is tried again, in seconds. Default: 43200 (12 hours).
        retry_seconds: Number,
        /// Webhook: URL to which each event is sent with POST, `https://` or `http://`. No user name or password.
        url: Text,
        /// Webhook: secret of the signature, 16 to 255 characters; `whsec_` and base64 is a secret of bytes. Default: no
        /// signature.
        secret: Option<Spanned<SecretText>>,
        /// Webhook: file that contains the secret, instead of `secret`.
        secret_file: Text,
        /// Webhook and e-mail: file with the CA certificates (PEM) for TLS, instead of those of the system.
        ca_file: Text,
        /// E-mail: `ADDRESS:PORT` of the mail server.
        smtp: Text,
        /// E-mail: `starttls`, `tls`, or `none` for a mail server on this machine. Default: `starttls`.
        smtp_security: Text,
        /// E-mail: user name at the mail server. Default: no login.
        smtp_user: Text,
        /// E-mail: file that contains the password of the user.
        smtp_password_file: Text,
        /// E-mail: address of the sender. Required with `smtp`.
        mail_from: Text,
        /// E-mail: addresses of the recipients. Required with `smtp`.
        mail_to: Option<Texts>,
        /// E-mail: time in seconds during which events are collected for one mail. Default: 60.
        digest_seconds: Number,
        /// Program with its arguments, which is run for each event. Not a shell command.
        command: Option<Texts>,
        /// Webhook, e-mail and program: time in seconds after which a delivery has failed; a program is killed. Default: 10,
        /// for a program 20.
        timeout_seconds: Number,
    }
}

/// The whole file.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    /// Default of `time` in each library.
    pub(super) time: Text,
    /// File of a script of faults.
    pub(super) faults: Text,
    /// Faults, as in a script.
    pub(super) fault: Tables<Fault>,
    pub(super) library: Option<Spanned<OneOrMany>>,
    pub(super) chassis: Tables<ChassisTable>,
    pub(super) drive: Option<Tables<DriveTable>>,
    pub(super) cartridges: Option<Tables<CartridgeTable>>,
    pub(super) pool: Tables<PoolTable>,
    pub(super) storage: StorageTable,
    pub(super) shelf: Tables<ShelfTable>,
    pub(super) iscsi: IscsiTable,
    pub(super) http: HttpTable,
    pub(super) notify: Tables<NotifyTable>,
}

/// A file that has only notification targets.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NotifyFile {
    pub(super) notify: Tables<NotifyTable>,
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
                // The position of a single table is that of the key `library`.
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
