//! The effective configuration as a file: what `--print-config` shows. Secrets are omitted.

use super::file::THAW_DAYS;
use super::{
    Advertise, CartridgeSetup, ChassisSetup, Config, HttpSetup, IscsiLimits, IscsiSetup, LibrarySetup, MailSetup,
    MoveCommand, NotifyMethod, NotifySetup, PartitionSetup, Pattern, PoolSetup, SecretSource, ShelfClass, ShelfSetup,
    ShelfThawTier, TransferPolicy, WebhookSetup,
};
use scsi_core::identity::{InquiryStrings, ModelStrings};
use scsi_core::mode::PageId;
use scsi_core::page_override::{ModeValues, OverriddenPage, PageChange, PageOverride, PageOverrides};
use scsi_core::time::TimeMode;
use std::fmt;
use std::path::Path;
use tape_store::medium::{Codec, CodecId};

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.faults.write_script(f)?;
        if self.libraries.is_empty() {
            writeln!(f, "library = []\n")?;
        }
        self.chassis.iter().try_for_each(|chassis| writeln!(f, "{chassis}"))?;
        self.libraries.iter().try_for_each(|library| writeln!(f, "{library}"))?;
        if !self.cartridge_directories.is_empty()
            || self.group.is_some()
            || self.shared_cartridges
            || self.create_directories
            || self.new_cartridges.is_some()
        {
            writeln!(f, "[storage]")?;
            if !self.cartridge_directories.is_empty() {
                writeln!(f, "cartridges = {:?}", self.cartridge_directories)?;
            }
            if self.create_directories {
                writeln!(f, "create = true")?;
            }
            optional_key(f, "group", self.group.as_deref())?;
            if self.shared_cartridges {
                writeln!(f, "shared = true")?;
            }
            optional_key(f, "new_cartridges", self.new_cartridges.as_deref())?;
            writeln!(f)?;
        }
        self.shelves.iter().try_for_each(|shelf| writeln!(f, "{shelf}"))?;
        self.pools.iter().try_for_each(|pool| writeln!(f, "{pool}"))?;
        write!(f, "{}{}", self.iscsi, self.http)?;
        self.notify.iter().try_for_each(|target| write!(f, "\n{target}"))?;
        self.faults.write_tables(f)
    }
}

impl fmt::Display for ShelfSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[shelf]]\nname = {:?}\nurl = {}", self.name, string(&self.url))?;
        writeln!(f, "durability = {:?}\nunload = {:?}", self.durability.name(), self.unload.name())?;
        writeln!(f, "cache = {:?}", size(self.cache))?;
        if let Some(encrypt) = &self.encrypt {
            writeln!(f, "encrypt = {}", string(encrypt))?;
        }
        if !self.former_keys.is_empty() {
            writeln!(f, "former_keys = {}", list(&self.former_keys))?;
        }
        if self.object_lock {
            writeln!(f, "object_lock = true")?;
        }
        optional_key(f, "class", self.class.map(ShelfClass::name))?;
        if self.thaw_tier != ShelfThawTier::Standard {
            writeln!(f, "thaw_tier = {:?}", self.thaw_tier.name())?;
        }
        if self.thaw_days != THAW_DAYS {
            writeln!(f, "thaw_days = {}", self.thaw_days)?;
        }
        optional_key(f, "replica", self.replica.as_deref())
    }
}

impl fmt::Display for ChassisSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [slots, import_export, drives] = self.counts;
        writeln!(f, "[[chassis]]\nname = {:?}\nmodel = {:?}", self.name, self.model.name)?;
        optional_key(f, "serial", self.serial.as_deref())?;
        writeln!(f, "slots = {slots}\nimport_export = {import_export}\ndrives = {drives}")?;
        writeln!(f, "io_station = {:?}", if self.shared_station { "shared" } else { "divided" })
    }
}

impl fmt::Display for LibrarySetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[library]]\nname = {:?}", self.name)?;
        writeln!(f, "model = {:?}", self.changer.name)?;
        optional_key(f, "serial", self.names.serial.as_deref())?;
        if self.exact_serial {
            writeln!(f, "exact_serial = true")?;
        }
        optional_key(f, "naa", self.names.naa.as_deref())?;
        strings(f, &self.strings, self.changer.model)?;
        if self.custom_addresses {
            let [robot, slots, import_export, drives] = self.layout.ranges().map(|(_, range)| range.first);
            write!(f, "first = {{ robot = {robot}, slots = {slots}, ")?;
            writeln!(f, "import_export = {import_export}, drives = {drives} }}")?;
        }
        writeln!(f, "slots = {}", self.layout.storage.count)?;
        writeln!(f, "import_export = {}", self.layout.import_export.count)?;
        writeln!(f, "shelf = {:?}", self.shelf)?;
        optional_key(f, "target", self.target.as_deref())?;
        if let Some(lun) = self.lun {
            writeln!(f, "lun = {lun}")?;
        }
        writeln!(f, "export = {:?}\nimport = {:?}", policy_value(self.export), policy_value(self.import))?;
        if let Some(MoveCommand { command, timeout }) = &self.move_command {
            writeln!(f, "move_command = {}\nmove_command_timeout = {}", list(command), timeout.as_secs())?;
        }
        time(f, self.time, TimeMode::Off)?;
        if self.cartridges.is_empty() {
            writeln!(f, "cartridges = []")?;
        }
        pages(f, "library.page", &self.pages)?;
        if let Some(PartitionSetup { chassis, number, first: [slots, import_export, drives] }) = &self.partition {
            writeln!(f, "\n[library.partition]\nchassis = {:?}\nnumber = {number}", chassis.name)?;
            writeln!(f, "slots = {}\ndrives = {}", slots + 1, drives + 1)?;
            if !chassis.shared_station {
                writeln!(f, "import_export = {}", import_export + 1)?;
            }
        }
        for drive in &self.drives {
            writeln!(f, "\n[[library.drive]]\nmodel = {:?}", drive.profile.name())?;
            writeln!(f, "compression = {:?}", codec(drive.codec))?;
            optional_key(f, "serial", drive.names.serial.as_deref())?;
            optional_key(f, "naa", drive.names.naa.as_deref())?;
            strings(f, &drive.strings, drive.profile.model)?;
            time(f, drive.time, self.time)?;
            optional_key(f, "daemon", drive.daemon.as_deref())?;
            pages(f, "library.drive.page", &drive.pages)?;
        }
        cartridge_runs(self).iter().try_for_each(|run| cartridges(f, self, run))?;
        Ok(())
    }
}

impl fmt::Display for PoolSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[pool]]\nname = {:?}\npattern = \"{}\"\nfirst = {}", self.name, self.pattern, self.first)?;
        writeln!(f, "size = {:?}\nformat = {:?}", size(self.size), self.format.name())?;
        writeln!(f, "library = {:?}\nscratch = {}", self.library, self.scratch)?;
        optional_key(f, "replica", self.replica.as_ref().map(|replica| replica.replica.as_str()))
    }
}

/// Cartridges that one table can list.
struct CartridgeRun<'a> {
    first: &'a CartridgeSetup,
    last: &'a CartridgeSetup,
    /// The pattern and the number of the first, if there are several.
    numbered: Option<(Pattern, u32)>,
    count: u16,
}

/// The cartridges of a library, those together whose labels count up and which differ in nothing else.
fn cartridge_runs(library: &LibrarySetup) -> Vec<CartridgeRun<'_>> {
    let mut runs: Vec<CartridgeRun<'_>> = Vec::new();
    for cartridge in &library.cartridges {
        if !runs.last_mut().is_some_and(|run| run.extend(library, cartridge)) {
            runs.push(CartridgeRun { first: cartridge, last: cartridge, numbered: None, count: 1 });
        }
    }
    runs
}

impl<'a> CartridgeRun<'a> {
    fn extend(&mut self, library: &LibrarySetup, next: &'a CartridgeSetup) -> bool {
        let has_label_media = |setup: &CartridgeSetup| setup.barcode.media() == Some((setup.media, setup.kind));
        let (a, b) = (self.last, next);
        let alike = a.media.name == b.media.name
            && (a.kind, a.size, a.format, a.label, has_label_media(a))
                == (b.kind, b.size, b.format, b.label, has_label_media(b));
        let behind = match (a.element, b.element) {
            (None, None) => true,
            (Some(a), Some(b)) => {
                let kind = |at| library.layout.element_type(at);
                a.0.checked_add(1) == Some(b.0) && kind(a) == kind(b)
            }
            _ => false,
        };
        if !alike || !behind || self.count == u16::MAX {
            return false;
        }
        let (one, two) = (self.first.barcode.as_str(), next.barcode.as_str());
        let counted = match self.numbered.take() {
            None => Pattern::from_pair(one, two),
            Some((pattern, first)) => {
                let follows = pattern.number(two) == first.checked_add(self.count.into());
                if !follows {
                    self.numbered = Some((pattern, first));
                    return false;
                }
                Some((pattern, first))
            }
        };
        self.numbered = counted;
        if self.numbered.is_some() {
            self.last = next;
            self.count += 1;
        }
        self.numbered.is_some()
    }
}

fn cartridges(f: &mut fmt::Formatter<'_>, library: &LibrarySetup, run: &CartridgeRun<'_>) -> fmt::Result {
    let cartridge = run.first;
    match &run.numbered {
        Some((pattern, first)) => {
            writeln!(f, "\n[[library.cartridges]]\npattern = \"{pattern}\"\nfirst = {first}\ncount = {}", run.count)?;
        }
        None => writeln!(f, "\n[[library.cartridges]]\npattern = \"{}\"", cartridge.barcode)?,
    }
    if cartridge.barcode.media() != Some((cartridge.media, cartridge.kind)) {
        writeln!(f, "medium = {:?}\nkind = {:?}", cartridge.media.name, cartridge.kind.name())?;
    }
    optional_key(f, "label", cartridge.label.map(|_| "missing"))?;
    writeln!(f, "size = {:?}", size(cartridge.size))?;
    writeln!(f, "format = {:?}", cartridge.format.name())?;
    let layout = library.layout;
    let groups = [("slot", layout.storage), ("io", layout.import_export), ("drive", layout.drives)];
    let name = |at| groups.into_iter().find_map(|(word, range)| Some(format!("{word}{}", range.index(at)? + 1)));
    optional_key(f, "at", cartridge.element.and_then(name).as_deref())
}

fn optional_key(f: &mut fmt::Formatter<'_>, key: &str, value: Option<&str>) -> fmt::Result {
    value.map_or(Ok(()), |value| writeln!(f, "{key} = {value:?}"))
}

/// Prints the strings that differ from those of the model.
fn strings(f: &mut fmt::Formatter<'_>, strings: &InquiryStrings, model: ModelStrings) -> fmt::Result {
    let other = |string: &'_ str, usual: &str| (string != usual).then(|| string.to_owned());
    optional_key(f, "vendor", other(&strings.vendor, model.vendor).as_deref())?;
    optional_key(f, "product", other(&strings.product, model.product).as_deref())?;
    optional_key(f, "revision", other(&strings.revision, model.revision).as_deref())
}

/// A size in the largest decimal unit that divides it, or else the largest binary one.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 7] = [
        ("TB", 1_000_000_000_000),
        ("GB", 1_000_000_000),
        ("MB", 1_000_000),
        ("TiB", 1 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
    ];
    match UNITS.iter().find(|(_, unit)| bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{}.{:06}MB", bytes / 1_000_000, bytes % 1_000_000),
    }
}

const fn policy_value(when: TransferPolicy) -> &'static str {
    match when {
        TransferPolicy::Manual => "manual",
        TransferPolicy::Auto => "auto",
    }
}

impl fmt::Display for IscsiSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[iscsi]\nbind = {:?}", self.bind)?;
        match &self.iqn {
            Some(iqn) => writeln!(f, "iqn = {iqn:?}")?,
            None => writeln!(f, "# iqn is generated at the first start and stored in the data directory")?,
        }
        match &self.advertise {
            Advertise::Connection => {}
            Advertise::Portal(address) => writeln!(f, "advertise = {address:?}")?,
            Advertise::Nothing => writeln!(f, "advertise = \"none\"")?,
        }
        if let Some(initiators) = &self.initiators {
            writeln!(f, "initiators = {initiators:?}")?;
        }
        limits(f, &self.limits)?;
        for user in &self.users {
            writeln!(f, "\n[[iscsi.user]]\nname = {:?}\n# secret is not shown", user.name)?;
        }
        if let Some(mutual) = &self.mutual {
            writeln!(f, "\n[iscsi.mutual]\nname = {:?}\n# secret is not shown", mutual.name)?;
        }
        Ok(())
    }
}

impl fmt::Display for HttpSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(listen) = &self.listen else { return Ok(()) };
        writeln!(f, "\n[http]\nlisten = {listen:?}")?;
        if self.loopback_tokens {
            writeln!(f, "loopback = \"token\"")?;
        }
        if let Some(tls) = &self.tls {
            writeln!(f, "certificate = {:?}\nkey = {:?}", tls.certificate, tls.key)?;
            if let Some(file) = &tls.client_ca {
                writeln!(f, "client_ca = {file:?}\nclient_role = {:?}", tls.client_role.name())?;
            }
        }
        if self.insecure {
            writeln!(f, "insecure = true")?;
        }
        if self.hosts.is_empty() { Ok(()) } else { writeln!(f, "hosts = {:?}", self.hosts) }
    }
}

impl fmt::Display for NotifySetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (events, libraries) = self.filter.parts();
        writeln!(f, "[[notify]]\nname = {:?}\nevents = {}", self.name, list(events))?;
        if let Some(libraries) = libraries {
            writeln!(f, "libraries = {}", list(libraries))?;
        }
        let (retry, timeout) = (self.retry.as_secs(), self.timeout.as_secs());
        writeln!(f, "retry_seconds = {retry}\ntimeout_seconds = {timeout}")?;
        match &self.method {
            NotifyMethod::Webhook(webhook) => write!(f, "{webhook}"),
            NotifyMethod::Mail(mail) => write!(f, "{mail}"),
            NotifyMethod::Command(command) => writeln!(f, "command = {}", list(command)),
        }
    }
}

impl fmt::Display for WebhookSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "url = {}", string(&self.url))?;
        match &self.secret {
            None => {}
            Some(SecretSource::Text(_)) => writeln!(f, "# secret is not shown")?,
            Some(SecretSource::File(path)) => writeln!(f, "secret_file = {}", string(&path.to_string_lossy()))?,
        }
        ca_file(f, self.ca_file.as_deref())
    }
}

impl fmt::Display for MailSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, security, login, from, to, digest, ca_file: ca } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        writeln!(f, "smtp = \"{host}:{port}\"\nsmtp_security = {:?}", security.name())?;
        if let Some((user, path)) = login {
            writeln!(f, "smtp_user = {}\nsmtp_password_file = {}", string(user), string(&path.to_string_lossy()))?;
        }
        writeln!(f, "mail_from = {}\nmail_to = {}\ndigest_seconds = {}", string(from), list(to), digest.as_secs())?;
        ca_file(f, ca.as_deref())
    }
}

fn ca_file(f: &mut fmt::Formatter<'_>, path: Option<&Path>) -> fmt::Result {
    path.map_or(Ok(()), |path| writeln!(f, "ca_file = {}", string(&path.to_string_lossy())))
}

/// A string of TOML.
fn string(text: &str) -> toml::Value {
    toml::Value::from(text)
}

/// A list of strings of TOML.
fn list(texts: &[String]) -> toml::Value {
    toml::Value::from(texts.to_vec())
}

fn limits(f: &mut fmt::Formatter<'_>, limits: &IscsiLimits) -> fmt::Result {
    if let Some(networks) = &limits.networks {
        let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
        writeln!(f, "networks = {networks:?}")?;
    }
    if let Some(bytes) = limits.buffer_memory {
        writeln!(f, "buffer_memory = {:?}", size(bytes))?;
    }
    for (key, number) in [
        ("max_connections_per_address", limits.max_connections_per_address),
        ("max_unauthenticated_per_address", limits.max_unauthenticated_per_address),
    ] {
        if let Some(number) = number {
            writeln!(f, "{key} = {number}")?;
        }
    }
    Ok(())
}

fn pages(f: &mut fmt::Formatter<'_>, table: &str, pages: &PageOverrides) -> fmt::Result {
    pages.iter().try_for_each(|page| write!(f, "\n[[{table}]]\n{}", PageTable(page)))
}

/// The keys of `[[library.drive.page]]` or `[[library.page]]` for an overridden page, without the header of the table.
#[derive(Clone, Copy, Debug)]
pub struct PageTable<'a>(pub &'a PageOverride);

impl fmt::Display for PageTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, code, values) = match self.0.page() {
            OverriddenPage::Inquiry => ("inquiry", None, ModeValues::All),
            OverriddenPage::ModeHeader => ("mode-header", None, ModeValues::All),
            OverriddenPage::Densities => ("densities", None, ModeValues::All),
            OverriddenPage::MediumTypes => ("medium-types", None, ModeValues::All),
            OverriddenPage::Vpd(page) => ("vpd", Some(PageId::page(page)), ModeValues::All),
            OverriddenPage::Log(id) => ("log", Some(id), ModeValues::All),
            OverriddenPage::Mode(id, values) => ("mode", Some(id), values),
        };
        writeln!(f, "kind = {kind:?}")?;
        if let Some(PageId { page, subpage }) = code {
            writeln!(f, "code = 0x{page:02x}")?;
            if subpage != 0 {
                writeln!(f, "subpage = 0x{subpage:02x}")?;
            }
        }
        if values != ModeValues::All {
            let name = ModeValues::NAMES.into_iter().find(|(_, other)| *other == values);
            optional_key(f, "values", name.map(|(name, _)| name))?;
        }
        match self.0.change() {
            PageChange::Absent => writeln!(f, "absent = true"),
            PageChange::Whole(bytes) => page_bytes(f, bytes),
            PageChange::Bytes { offset, bytes } => {
                writeln!(f, "offset = {offset}")?;
                page_bytes(f, bytes)
            }
        }
    }
}

/// The key `bytes`, in lines of 32 bytes if there are more.
fn page_bytes(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const LINE: usize = 32;
    let words = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    if bytes.len() <= LINE {
        return writeln!(f, "bytes = \"{}\"", words(bytes));
    }
    writeln!(f, "bytes = \"\"\"")?;
    bytes.chunks(LINE).try_for_each(|line| writeln!(f, "{}", words(line)))?;
    writeln!(f, "\"\"\"")
}

fn time(f: &mut fmt::Formatter<'_>, time: TimeMode, default: TimeMode) -> fmt::Result {
    if time == default { Ok(()) } else { writeln!(f, "time = \"{time}\"") }
}

fn codec(codec: Codec) -> String {
    match codec.id {
        CodecId::ZLIB => format!("zlib:{}", codec.level),
        CodecId::ZSTD => format!("zstd:{}", codec.level),
        _ => "none".into(),
    }
}

#[cfg(test)]
mod tests {
    use tape_store::cartridge::parse_size;

    #[test]
    fn sizes_are_read_back_as_they_were() {
        for (bytes, text) in [
            (12_000_000_000_000, "12TB"),
            (2_500_000_000_000, "2500GB"),
            (100_000_000_000, "100GB"),
            (64_000_000, "64MB"),
            (67_108_864, "64MiB"),
            (1_073_741_824, "1GiB"),
            (1_099_511_627_776, "1TiB"),
            (1_049_600, "1025KiB"),
            (1_000_001, "1.000001MB"),
        ] {
            assert_eq!(super::size(bytes), text);
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
    }
}
