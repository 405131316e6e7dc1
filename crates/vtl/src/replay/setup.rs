//! The libraries of a site as a trace has them.

use crate::config::{self, CartridgeSetup, Config, ConfigError, LibrarySetup};
use crate::data_dir::UnitIdentity;
use crate::frontend::Frontend;
use crate::inventory::{CartridgeRecord, Location};
use crate::library::{Library, LibraryError};
use crate::observer::{TraceFile, TracedSite};
use crate::site::Site;
use scsi_core::port::ProtocolId;
use smc::element::ElementAddress;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tape_store::cartridge::{Barcode, Format};

/// Name of the configuration of a trace in errors.
const FILE: &str = "the configuration of the trace";
/// The kind of target port of an iSCSI portal, and that of hosts without a transport.
const ISCSI: &str = "iscsi";
const LOCAL: &str = "local";

impl TracedSite {
    /// The libraries.
    ///
    /// # Errors
    /// The text is no valid configuration, or has a model that this release does not know.
    pub fn config(&self) -> Result<Config, ConfigError> {
        config::parse(FILE, &self.configuration)
    }

    /// The frontend with this kind of target port.
    #[must_use]
    pub fn frontend(&self) -> Frontend {
        if self.port == ISCSI { Frontend::ISCSI } else { Frontend::LOCAL }
    }
}

impl Site {
    /// Writes every command, login, logout and operation from now on to a new file, which begins with the libraries as they
    /// are. Each record has the first `data_len` bytes of the data in each direction. Data of commands that carry keys is
    /// never written.
    ///
    /// # Errors
    /// The file cannot be created, or the identities of the units cannot be read.
    pub fn trace_to(&self, path: &Path, data_len: usize) -> io::Result<()> {
        let traced = self.traced_site().map_err(io::Error::other)?;
        let file = Arc::new(TraceFile::create(path, data_len)?);
        file.write_site(traced);
        self.add_observer(file);
        Ok(())
    }

    /// The libraries of the site with their identities and cartridges, as a trace has them.
    fn traced_site(&self) -> Result<TracedSite, LibraryError> {
        let inventory = self.inventory();
        let libraries = self.libraries();
        let libraries = libraries.iter().map(|library| library.traced_setup(&inventory));
        let config = Config { libraries: libraries.collect::<Result<_, _>>()?, ..Config::default() };
        let barcodes = |wanted: &dyn Fn(&CartridgeRecord) -> bool| {
            inventory.iter().filter(|(_, record)| wanted(record)).map(|(barcode, _)| barcode.clone()).collect()
        };
        Ok(TracedSite {
            at_ms: self.clock().now().wall.0,
            port: if self.shared.frontend.protocol() == ProtocolId::ISCSI { ISCSI } else { LOCAL }.to_owned(),
            configuration: config.to_string(),
            written: barcodes(&|record| record.blank != Some(true)),
            on_shelves: barcodes(&|record| matches!(record.location, Location::Shelf(_))),
        })
    }
}

impl Library {
    /// The configuration that creates the same library, with the cartridges that are in it.
    fn traced_setup<'a>(
        &self,
        inventory: impl IntoIterator<Item = (&'a String, &'a CartridgeRecord)>,
    ) -> Result<LibrarySetup, LibraryError> {
        let mut setup = self.setup();
        let identity = |unit: String| self.unit_identity(&unit);
        if let Some(changer) = identity("changer".to_owned())? {
            setup.names.serial = Some(changer.serial);
            setup.names.naa = Some(changer.naa);
            setup.target = Some(changer.target);
            setup.lun = Some(changer.lun);
        }
        for (index, drive) in setup.drives.iter_mut().enumerate() {
            if let Some(UnitIdentity { serial, naa, .. }) = identity(format!("drive/{index}"))? {
                (drive.names.serial, drive.names.naa) = (Some(serial), Some(naa));
            }
            drive.daemon = None;
        }
        setup.move_command = None;
        setup.cartridges =
            inventory.into_iter().filter_map(|(barcode, record)| self.traced_cartridge(barcode, record)).collect();
        Ok(setup)
    }

    fn traced_cartridge(&self, barcode: &str, record: &CartridgeRecord) -> Option<CartridgeSetup> {
        let Location::Element { library, address, .. } = &record.location else { return None };
        let barcode = Barcode::new(barcode)?;
        let (media, kind) = record.media(&barcode)?;
        let element = Some(ElementAddress(*address));
        let (size, format, label) = (record.size, Format::Native, None);
        (library == self.name()).then_some(CartridgeSetup { barcode, media, kind, size, format, element, label })
    }
}
