//! Errors of control requests: a code for programs, a message in words, and the objects concerned.

use crate::config::ConfigError;
use crate::data_dir::DataDirError;
use crate::library::LibraryError;
use crate::state_store::StateError;
use serde::{Deserialize, Serialize};
use tape_store::error::StoreError;

/// Kind of an error, for programs. On the control socket it is a word such as `not_found`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// A library, element, cartridge or pool of this name does not exist.
    NotFound,
    /// The present state does not allow the request: an element is full or empty, a door is open, or the change
    /// requires a restart.
    Conflict,
    /// A host prevents medium removal, or the data is under retention. A cartridge that another process uses is
    /// [`Self::Busy`].
    Locked,
    /// The request is malformed, or a value is out of range or names an object of the wrong kind.
    Invalid,
    /// A unit executes a command that takes long, or a move, another request or another process uses the object; the same
    /// request can succeed later. For a unit, [`ErrorFields::unit`] and [`ErrorFields::activity`] say more.
    Busy,
    /// The robot, the drive or the storage failed, is full or cannot be reached; or the site is shut down.
    Unavailable,
    /// A defect of the daemon or damage of its state; the log of the daemon has more.
    Internal,
}

/// The objects that an error concerns, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ErrorFields {
    /// Name of the library concerned, or the unknown name in the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
    /// Element, such as `slot3`, or the text of the request that names no element.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// Barcode of the cartridge concerned, or the text of the request that is not a known barcode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// Unit that is busy: `changer`, or a drive such as `drive1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The activity of the unit, such as `ERASE(6)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<String>,
    /// Name of the scratch pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Path of the file or directory concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Key of the configuration, such as `iscsi.bind`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// Keys of the configuration whose change requires a restart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restart_required: Vec<String>,
    /// Member of the request that has the invalid value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
}

impl ErrorFields {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Reason why a control request is refused or failed. In JSON, the message is the member `error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct ControlError {
    /// One line in words: the fault, and the remedy where that is known.
    #[serde(rename = "error")]
    pub message: String,
    /// Kind of the error, for programs.
    pub code: ErrorCode,
    /// The objects that the error concerns.
    #[serde(default, skip_serializing_if = "ErrorFields::is_empty")]
    pub fields: Box<ErrorFields>,
}

impl ControlError {
    /// An error of this code with a message, and without fields.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { message: message.into(), code, fields: Box::default() }
    }

    /// An error of the code [`ErrorCode::NotFound`] with a message.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// An error of the code [`ErrorCode::Conflict`] with a message.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    /// An error of the code [`ErrorCode::Locked`] with a message.
    #[must_use]
    pub fn locked(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Locked, message)
    }

    /// An error of the code [`ErrorCode::Invalid`] with a message.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Invalid, message)
    }

    /// An error of the code [`ErrorCode::Busy`] with a message.
    #[must_use]
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Busy, message)
    }

    /// An error of the code [`ErrorCode::Unavailable`] with a message.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unavailable, message)
    }

    /// An error of the code [`ErrorCode::Internal`] with a message.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }

    /// The error of a panic, which is a defect of this program.
    pub(crate) fn defect() -> Self {
        Self::internal("internal error; the log of the daemon has more")
    }

    /// The word of the code on the control socket, such as `not_found`.
    pub(crate) fn code_name(&self) -> String {
        serde_json::to_value(self.code).ok().and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The same error, with the library that it concerns.
    #[must_use]
    pub fn with_library(mut self, name: impl Into<String>) -> Self {
        self.fields.library = Some(name.into());
        self
    }

    /// The same error, with the element that it concerns.
    #[must_use]
    pub fn with_element(mut self, name: impl Into<String>) -> Self {
        self.fields.element = Some(name.into());
        self
    }

    /// The same error, with the barcode of the cartridge that it concerns.
    #[must_use]
    pub fn with_barcode(mut self, barcode: impl Into<String>) -> Self {
        self.fields.barcode = Some(barcode.into());
        self
    }

    /// The same error, with the scratch pool that it concerns.
    #[must_use]
    pub fn with_pool(mut self, name: impl Into<String>) -> Self {
        self.fields.pool = Some(name.into());
        self
    }

    /// The same error, with the file or directory that it concerns.
    #[must_use]
    pub fn with_file(mut self, name: impl Into<String>) -> Self {
        self.fields.file = Some(name.into());
        self
    }

    /// The same error, with the unit that is busy: `changer`, or a drive such as `drive1`.
    #[must_use]
    pub fn with_unit(mut self, name: impl Into<String>) -> Self {
        self.fields.unit = Some(name.into());
        self
    }

    /// The same error, with what the unit does, such as `ERASE(6)`.
    #[must_use]
    pub fn with_activity(mut self, name: impl Into<String>) -> Self {
        self.fields.activity = Some(name.into());
        self
    }

    /// The same error, with the key of the configuration that it concerns.
    #[must_use]
    pub fn with_setting(mut self, name: impl Into<String>) -> Self {
        self.fields.setting = Some(name.into());
        self
    }

    /// The same error, with the member of the request that it concerns.
    #[must_use]
    pub fn with_member(mut self, name: impl Into<String>) -> Self {
        self.fields.member = Some(name.into());
        self
    }

    /// The same error, with one more key of the configuration whose change requires a restart.
    #[must_use]
    pub fn with_restart_required(mut self, setting: impl Into<String>) -> Self {
        self.fields.restart_required.push(setting.into());
        self
    }

    /// Checks that no setting has changed whose change requires a restart.
    ///
    /// # Errors
    /// [`ErrorCode::Conflict`] with every setting that has changed.
    pub fn check_restart<'a>(settings: impl IntoIterator<Item = (&'a str, bool)>) -> Result<(), Self> {
        let changed: Vec<&str> = settings.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let message = format!("changing {} requires a restart; nothing was changed", changed.join(", "));
        Err(changed.into_iter().fold(Self::conflict(message), Self::with_restart_required))
    }
}

impl From<LibraryError> for ControlError {
    fn from(error: LibraryError) -> Self {
        let message = error.to_string();
        match error {
            LibraryError::Request(error) => error,
            LibraryError::Config(ConfigError { file, key, .. })
            | LibraryError::Data(DataDirError::Config(ConfigError { file, key, .. })) => {
                Self::invalid(message).with_file(file).with_setting(key)
            }
            LibraryError::Data(DataDirError::Io { path, .. }) => {
                Self::unavailable(message).with_file(path.display().to_string())
            }
            LibraryError::Data(DataDirError::InUse { path, .. }) => {
                Self::busy(message).with_file(path.display().to_string())
            }
            LibraryError::Data(DataDirError::Format { path, .. }) => {
                Self::internal(message).with_file(path.display().to_string())
            }
            LibraryError::State(StateError::Io { file, .. }) => Self::unavailable(message).with_file(file),
            LibraryError::State(StateError::Closed) => Self::unavailable(message),
            LibraryError::State(StateError::Unusable { file, .. }) => Self::internal(message).with_file(file),
            LibraryError::State(StateError::Panicked | StateError::Format { .. }) => Self::internal(message),
            LibraryError::Cartridge { barcode, source } => {
                Self::new(store_code(&source), message).with_barcode(barcode)
            }
            LibraryError::Store(source) => {
                let error = Self::new(store_code(&source), message);
                match source {
                    StoreError::Cartridge { barcode, .. } | StoreError::Retained { barcode } => {
                        error.with_barcode(barcode)
                    }
                    _ => error,
                }
            }
            LibraryError::Random(_) | LibraryError::Thread(_) => Self::unavailable(message),
            LibraryError::Inconsistent(_) => Self::internal(message),
        }
    }
}

/// The code of an error of the cartridge store.
const fn store_code(error: &StoreError) -> ErrorCode {
    match error {
        StoreError::InUse | StoreError::NotUnloaded | StoreError::TakenOver { .. } | StoreError::BeingThawed(_) => {
            ErrorCode::Busy
        }
        StoreError::Retained { .. } | StoreError::Protected { .. } => ErrorCode::Locked,
        StoreError::Cartridge { .. } | StoreError::ReadOnly(_) => ErrorCode::Conflict,
        // The files of the cartridge are missing, damaged, or on a disk that is full or not mounted.
        StoreError::Io { .. }
        | StoreError::Damaged { .. }
        | StoreError::Malformed { .. }
        | StoreError::Unsupported { .. }
        | StoreError::NoCartridgeMemory => ErrorCode::Unavailable,
        _ => ErrorCode::Internal,
    }
}
