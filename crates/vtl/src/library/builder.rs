//! A library in code, for who embeds one.

use super::{Library, LibraryError};
use crate::config::from_library_table;
use crate::config::tables::{CartridgeTable, DriveTable, LibraryTable};
use crate::data_dir::DataDir;
use crate::site::{OpenSite, Site};
use std::path::PathBuf;
use toml::Spanned;

/// What a library is to be: all that a configuration can say of one. What is not said is as it is there.
#[derive(Default)]
pub struct LibraryBuilder {
    table: LibraryTable,
    path: Option<PathBuf>,
}

fn spanned<T>(value: T) -> Option<Spanned<T>> {
    Some(Spanned::new(0..0, value))
}

impl Library {
    /// A library of one's own, in memory unless it is given a directory.
    #[must_use]
    pub fn builder() -> LibraryBuilder {
        LibraryBuilder::default()
    }
}

impl LibraryBuilder {
    /// The model of the changer: `STK L700` if none is given.
    #[must_use]
    pub fn model(mut self, name: &str) -> Self {
        self.table.model = spanned(name.into());
        self
    }

    /// How many slots: 24 if it is not said.
    #[must_use]
    pub fn slots(mut self, count: u16) -> Self {
        self.table.slots = spanned(count);
        self
    }

    /// How many import/export elements: 4 if it is not said.
    #[must_use]
    pub fn import_export(mut self, count: u16) -> Self {
        self.table.import_export = spanned(count);
        self
    }

    /// So many drives of a model, behind those that were given before. Two `ULT3580-TD8` if none are given.
    #[must_use]
    pub fn drives(mut self, model: &str, count: u16) -> Self {
        let drives = DriveTable { model: spanned(model.into()), count: spanned(count), ..DriveTable::default() };
        self.table.drive.get_or_insert_default().push(Spanned::new(0..0, drives));
        self
    }

    /// So many cartridges whose labels are of a pattern, such as `V#####L8`, each of a size, such as `100MB`.
    #[must_use]
    pub fn cartridges(mut self, pattern: &str, count: u16, size: &str) -> Self {
        let (pattern, count, size) = (spanned(pattern.into()), spanned(count), spanned(size.into()));
        let cartridges = CartridgeTable { pattern, count, size, ..CartridgeTable::default() };
        self.table.cartridges.get_or_insert_default().push(Spanned::new(0..0, cartridges));
        self
    }

    /// Keeps everything in a directory, which is made if it is not there, and held by this process.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The library, at work: the only one of a site.
    ///
    /// # Errors
    /// It cannot be such a library, or its directory cannot be used.
    pub fn open(self) -> Result<OpenSite, LibraryError> {
        let config = from_library_table("builder", self.table)?;
        match &self.path {
            Some(path) => Site::open(path, &config),
            None => Site::open_data_dir(DataDir::in_memory(), &config),
        }
    }
}
