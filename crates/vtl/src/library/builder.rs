//! Builds a library in code, without a configuration file, for programs and tests that embed one.

use super::{Library, LibraryError};
use crate::clock::Clock;
use crate::config::from_library_table;
use crate::config::tables::{CartridgeTable, DriveTable, LibraryTable};
use crate::data_dir::DataDir;
use crate::frontend::{Frontend, SiteOptions};
use crate::site::{OpenSite, Site};
use scsi_core::time::TimeMode;
use std::path::PathBuf;
use toml::Spanned;

/// The configuration of one library, set in code. Keys that are not set have the defaults of the configuration file.
#[derive(Default)]
pub struct LibraryBuilder {
    table: LibraryTable,
    path: Option<PathBuf>,
    options: SiteOptions,
}

fn spanned<T>(value: T) -> Option<Spanned<T>> {
    Some(Spanned::new(0..0, value))
}

impl Library {
    /// Starts to configure a library, which is in memory unless [`LibraryBuilder::data_dir`] is called.
    #[must_use]
    pub fn builder() -> LibraryBuilder {
        LibraryBuilder::default()
    }
}

impl LibraryBuilder {
    /// Sets the changer model, such as `STK L700` (the default).
    #[must_use]
    pub fn model(mut self, name: &str) -> Self {
        self.table.model = spanned(name.into());
        self
    }

    /// Sets the number of storage elements. The default is 24.
    #[must_use]
    pub fn slots(mut self, count: u16) -> Self {
        self.table.slots = spanned(count);
        self
    }

    /// Sets the number of import/export elements. The default is 4.
    #[must_use]
    pub fn import_export(mut self, count: u16) -> Self {
        self.table.import_export = spanned(count);
        self
    }

    /// Adds `count` drives of a model after the drives that are already configured. The default is two `ULT3580-TD8`.
    #[must_use]
    pub fn drives(mut self, model: &str, count: u16) -> Self {
        let drives = DriveTable { model: spanned(model.into()), count: spanned(count), ..DriveTable::default() };
        self.table.drive.get_or_insert_default().push(Spanned::new(0..0, drives));
        self
    }

    /// Adds `count` cartridges with barcodes of a pattern, such as `V#####L8`, each of a native capacity, such as
    /// `100MB`.
    #[must_use]
    pub fn cartridges(mut self, pattern: &str, count: u16, size: &str) -> Self {
        let (pattern, count, size) = (spanned(pattern.into()), spanned(count), spanned(size.into()));
        let cartridges = CartridgeTable { pattern, count, size, ..CartridgeTable::default() };
        self.table.cartridges.get_or_insert_default().push(Spanned::new(0..0, cartridges));
        self
    }

    /// Sets what the drives and the robot do with the time that hardware would take. The default is [`TimeMode::Off`].
    #[must_use]
    pub fn time(mut self, mode: TimeMode) -> Self {
        self.table.time = spanned(mode.to_string());
        self
    }

    /// Stores everything in a directory, which is created if it does not exist and locked by this process.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Sets the frontend through which hosts reach the library, which determines its target port. The default is
    /// [`Frontend::LOCAL`]: hosts in this process.
    #[must_use]
    pub fn frontend(mut self, frontend: Frontend) -> Self {
        self.options = self.options.with_frontend(frontend);
        self
    }

    /// Sets the source of time. The default is [`Clock::real`].
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.options = self.options.with_clock(clock);
        self
    }

    /// Makes no record of any command, as [`SiteOptions::without_records`].
    #[must_use]
    pub fn without_records(mut self) -> Self {
        self.options = self.options.without_records();
        self
    }

    /// Opens a site with this library as its only one.
    ///
    /// # Errors
    /// Fails if the configuration is invalid, or the directory cannot be used.
    pub fn open(self) -> Result<OpenSite, LibraryError> {
        let config = from_library_table("builder", self.table)?;
        let data = match &self.path {
            Some(path) => DataDir::open_configured(path, &config)?,
            None => DataDir::in_memory(),
        };
        Site::open_with(data, &config, self.options)
    }
}
