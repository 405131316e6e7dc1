//! The log of a drive: what the robot asks of it, and what it answers.
//!
//! Each entry is an object that is created once, and has the state of the drive after it: the newest entry is all that a reader
//! needs. A daemon creates the next entry only after it has read all others, so that each entry follows from the one before,
//! whichever daemon has created that. A daemon that was taken over finds the epoch of its successor in the newest entry, and
//! creates no more.

use crate::error::ShelfError;
use crate::objects::Creation;
use crate::{Shelf, record};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// An entry of the log: a request of the robot's daemon, or a note of the drive's daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriveEvent {
    /// The daemon of the robot has started.
    RobotStarted,
    /// The robot puts the cartridge with this barcode into the drive.
    Insert(String),
    /// The robot takes the cartridge out of the drive.
    Remove,
    /// The robot no longer waits for the answer to its request.
    Withdrawn,
    /// The daemon of the drive has started.
    DriveStarted,
    /// The drive has the cartridge of the request.
    Inserted,
    /// The drive does not do what the robot requests: it has the same cartridge as before, or none.
    Refused(DriveRefusal),
    /// The drive has begun to unload the tape for the robot.
    Removing,
    /// The robot has taken the cartridge.
    Removed,
    /// A host or an operator has unloaded the tape: the cartridge can be taken.
    Ejected,
    /// A host has loaded the tape of the ejected cartridge again.
    Loaded,
}

/// The daemon that reads and continues a log, with the epoch of its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriveSide {
    /// The daemon of the robot, which runs the site.
    Robot(u64),
    /// The daemon of the drive with this name.
    Drive(String, u64),
}

/// A request of the robot that the drive has not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriveRequest {
    /// To take the cartridge with this barcode.
    Insert(String),
    /// To unload the tape and to release the cartridge.
    Remove,
    /// To release the cartridge, which the drive has begun.
    Removing,
}

/// The reason why a drive does not do what the robot requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriveRefusal {
    /// A host has prevented medium removal.
    Prevented,
    /// Another reason, in words for an operator.
    Other(String),
}

/// The state of a drive in its log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveState {
    /// Barcode of the cartridge in the drive.
    pub cartridge: Option<String>,
    /// Whether the tape is unloaded, so that the cartridge can be taken at once.
    pub is_ejected: bool,
    /// The request of the robot that is pending.
    pub request: Option<DriveRequest>,
    /// The reason why the drive has not done what the robot requested last.
    pub refusal: Option<DriveRefusal>,
    /// Epoch of the newest daemon of the robot.
    robot: u64,
    /// The newest daemon of the drive: its name, and its epoch, which counts for this name only.
    drive: (String, u64),
}

impl DriveState {
    /// Whether a daemon is the newest of its side. Another daemon of the drive becomes the newest one by its start.
    fn is_newest(&self, side: &DriveSide) -> bool {
        match side {
            DriveSide::Robot(epoch) => self.robot <= *epoch,
            DriveSide::Drive(name, epoch) => self.drive.0 == *name && self.drive.1 <= *epoch,
        }
    }

    /// The state after an event that a daemon notes.
    fn after(&self, event: &DriveEvent, side: &DriveSide) -> Self {
        let mut new = Self { refusal: None, ..self.clone() };
        match side {
            DriveSide::Robot(epoch) => new.robot = *epoch,
            DriveSide::Drive(name, epoch) => new.drive = (name.clone(), *epoch),
        }
        match event {
            // A drive that has begun to unload ends that.
            DriveEvent::RobotStarted if new.request == Some(DriveRequest::Removing) => {}
            DriveEvent::RobotStarted | DriveEvent::Withdrawn => new.request = None,
            DriveEvent::DriveStarted => {}
            DriveEvent::Insert(barcode) => new.request = Some(DriveRequest::Insert(barcode.clone())),
            DriveEvent::Remove => new.request = Some(DriveRequest::Remove),
            DriveEvent::Removing => new.request = Some(DriveRequest::Removing),
            DriveEvent::Refused(refusal) => (new.request, new.refusal) = (None, Some(refusal.clone())),
            DriveEvent::Inserted => {
                if let Some(DriveRequest::Insert(barcode)) = new.request.take() {
                    (new.cartridge, new.is_ejected) = (Some(barcode), false);
                }
            }
            DriveEvent::Removed => (new.cartridge, new.is_ejected, new.request) = (None, false, None),
            DriveEvent::Ejected => new.is_ejected = true,
            DriveEvent::Loaded => new.is_ejected = false,
        }
        new
    }
}

/// An object of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    nonce: String,
    event: DriveEvent,
    state: DriveState,
}

/// The log of a drive, as the daemon of the robot or that of the drive reads and continues it.
#[derive(Debug)]
pub struct DriveLog {
    shelf: Shelf,
    directory: String,
    side: DriveSide,
    /// Number of the entry that follows.
    next: u64,
    newest: Option<DriveEvent>,
    state: DriveState,
}

impl DriveLog {
    pub(super) fn new(shelf: Shelf, directory: String, side: DriveSide) -> Self {
        Self { shelf, directory, side, next: 1, newest: None, state: DriveState::default() }
    }

    /// The state after the newest entry that was read.
    #[must_use]
    pub const fn state(&self) -> &DriveState {
        &self.state
    }

    /// The newest entry that was read; `None` before the first one.
    #[must_use]
    pub const fn newest(&self) -> Option<&DriveEvent> {
        self.newest.as_ref()
    }

    /// Time between two looks for new entries.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.shelf.options.beat / 10
    }

    /// Reads the entries that were added since.
    ///
    /// # Errors
    /// [`ShelfError::Superseded`] if another daemon has taken the robot or the drive over. [`ShelfError::Store`] if the store fails, or
    /// [`ShelfError::Malformed`] if an entry is damaged.
    pub async fn follow(&mut self) -> Result<(), ShelfError> {
        self.read_all().await?;
        self.check_newest()
    }

    fn check_newest(&self) -> Result<(), ShelfError> {
        if self.state.is_newest(&self.side) {
            return Ok(());
        }
        Err(ShelfError::Superseded { place: self.directory.clone() })
    }

    /// Notes that this daemon has started. From then on, a former daemon of the same side adds nothing.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub async fn begin(&mut self) -> Result<(), ShelfError> {
        let event = match &self.side {
            DriveSide::Robot(_) => DriveEvent::RobotStarted,
            DriveSide::Drive(..) => DriveEvent::DriveStarted,
        };
        self.add(|_| Some(event.clone())).await.map(drop)
    }

    async fn read_all(&mut self) -> Result<(), ShelfError> {
        if self.next == 1 {
            let hint = self.shelf.objects.hint(&self.head()).await?.unwrap_or(1);
            // A hint to an entry that is not visible is wrong.
            if hint > 1 && !self.read(hint).await? {
                self.next = 1;
            }
        }
        while self.read(self.next).await? {}
        Ok(())
    }

    /// Reads an entry, if it exists.
    async fn read(&mut self, number: u64) -> Result<bool, ShelfError> {
        let key = self.key(number);
        let Some(bytes) = self.shelf.objects.get(&key).await? else { return Ok(false) };
        self.accept(number, record::decode(&key, &bytes)?);
        Ok(true)
    }

    fn accept(&mut self, number: u64, entry: Entry) {
        self.next = number + 1;
        (self.newest, self.state) = (Some(entry.event), entry.state);
    }

    /// Reads the log to its end, and adds the entry that `choose` returns for the newest state. If another daemon adds one
    /// first, `choose` is asked again. Returns whether an entry was added.
    ///
    /// # Errors
    /// [`ShelfError::Store`] if the store fails: the entry may exist, also later. [`ShelfError::Superseded`] if another daemon
    /// has taken the robot or the drive over.
    pub async fn add(&mut self, mut choose: impl FnMut(&DriveState) -> Option<DriveEvent>) -> Result<bool, ShelfError> {
        loop {
            self.read_all().await?;
            let Some(event) = choose(&self.state) else { return Ok(false) };
            // The start of a daemon of the drive under another name supersedes the former one.
            let is_other = matches!(&self.side, DriveSide::Drive(name, _) if self.state.drive.0 != *name);
            if !(is_other && event == DriveEvent::DriveStarted) {
                self.check_newest()?;
            }
            let state = self.state.after(&event, &self.side);
            let (number, key) = (self.next, self.key(self.next));
            let entry = Entry { nonce: self.shelf.nonce()?, event, state };
            match self.shelf.objects.create(&key, record::encode(&key, &entry)?).await? {
                Creation::Created => self.accept(number, entry),
                Creation::Exists(other) => {
                    self.accept(number, record::decode(&key, &other)?);
                    continue;
                }
            }
            // Only a hint: a reader that does not see it reads more entries.
            let _ = self.shelf.objects.replace(&self.head(), number.to_string().into()).await;
            return Ok(true);
        }
    }

    fn key(&self, number: u64) -> String {
        format!("{}/log/{number:07}", self.directory)
    }

    fn head(&self) -> String {
        format!("{}/head", self.directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ShelfOptions;
    use crate::drives::DrivePlace;
    use object_store::memory::InMemory;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn log(store: &Arc<InMemory>, side: DriveSide) -> DriveLog {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let entropy = Arc::new(|into: &mut [u8]| {
            into[..8].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
            Ok(())
        });
        let shelf = Shelf::new(Arc::clone(store) as _, "p", ShelfOptions::new("test"), entropy).unwrap();
        shelf.drive_log(&DrivePlace { site: "main".into(), library: "vault".into(), number: 3 }, side)
    }

    fn robot(epoch: u64) -> DriveSide {
        DriveSide::Robot(epoch)
    }

    fn drive(name: &str, epoch: u64) -> DriveSide {
        DriveSide::Drive(name.into(), epoch)
    }

    async fn add(log: &mut DriveLog, event: DriveEvent) {
        assert!(log.add(|_| Some(event.clone())).await.unwrap());
    }

    #[tokio::test]
    async fn both_daemons_see_the_same_order() {
        let store = Arc::new(InMemory::new());
        let (mut robot, mut drive) = (log(&store, robot(1)), log(&store, drive("tape2", 1)));
        drive.begin().await.unwrap();
        add(&mut robot, DriveEvent::Insert("V00001L8".into())).await;
        drive.follow().await.unwrap();
        assert_eq!(drive.state().request, Some(DriveRequest::Insert("V00001L8".into())));
        add(&mut drive, DriveEvent::Inserted).await;
        // The robot chooses for a state that is no longer the newest, and is asked again.
        let mut asked = Vec::new();
        let removes = |state: &DriveState| {
            asked.push(state.cartridge.clone());
            state.cartridge.is_some().then_some(DriveEvent::Remove)
        };
        assert!(robot.add(removes).await.unwrap());
        assert_eq!(asked, [Some("V00001L8".to_owned())]);
        add(&mut drive, DriveEvent::Ejected).await;
        assert_eq!(drive.state().request, Some(DriveRequest::Remove));
        assert!(drive.state().is_ejected);
        add(&mut drive, DriveEvent::Removed).await;
        robot.follow().await.unwrap();
        assert_eq!((robot.state().cartridge.as_ref(), robot.state().is_ejected), (None, false));
        // A daemon that starts later begins at the hint, and without one at the first entry.
        for without_hint in [false, true] {
            let mut late = log(&store, DriveSide::Robot(2));
            if without_hint {
                late.shelf.objects.remove(&late.head()).await.unwrap();
            }
            late.follow().await.unwrap();
            assert_eq!((late.next, late.state()), (7, robot.state()));
        }
    }

    #[tokio::test]
    async fn an_entry_that_another_daemon_adds_first_is_read_before_the_next_choice() {
        let store = Arc::new(InMemory::new());
        let (mut robot, mut drive) = (log(&store, robot(1)), log(&store, drive("tape2", 1)));
        drive.begin().await.unwrap();
        add(&mut robot, DriveEvent::Insert("V00001L8".into())).await;
        drive.follow().await.unwrap();
        // The drive adds its entry while the robot has already read to the end.
        let mut rounds = 0;
        let number = robot.next;
        let entry = Entry {
            nonce: "other".into(),
            event: DriveEvent::Inserted,
            state: drive.state().after(&DriveEvent::Inserted, &drive.side),
        };
        let key = robot.key(number);
        let bytes = record::encode(&key, &entry).unwrap();
        let objects = robot.shelf.objects.clone();
        let choose = |state: &DriveState| {
            rounds += 1;
            if rounds == 1 {
                futures_util::FutureExt::now_or_never(objects.create(&key, bytes.clone())).unwrap().unwrap();
            }
            (state.request.is_some()).then_some(DriveEvent::Withdrawn)
        };
        assert!(!robot.add(choose).await.unwrap());
        assert_eq!((rounds, robot.state().cartridge.as_deref()), (2, Some("V00001L8")));
    }

    #[tokio::test]
    async fn a_daemon_that_was_taken_over_adds_nothing() {
        let store = Arc::new(InMemory::new());
        let (mut former, mut new) = (log(&store, robot(1)), log(&store, robot(2)));
        former.begin().await.unwrap();
        add(&mut former, DriveEvent::Insert("V00001L8".into())).await;
        new.begin().await.unwrap();
        // The request of the former one does not count.
        assert_eq!(new.state().request, None);
        let refused = former.add(|_| Some(DriveEvent::Remove)).await.unwrap_err();
        assert!(matches!(refused, ShelfError::Superseded { .. }), "{refused}");
        assert!(refused.to_string().contains("sites/main/drives/vault/3"), "{refused}");
        assert!(former.follow().await.is_err());
        // The epochs of the drive's daemons count for each name.
        let (mut former, mut new) = (log(&store, drive("tape2", 7)), log(&store, drive("tape3", 1)));
        former.begin().await.unwrap();
        new.begin().await.unwrap();
        assert!(former.follow().await.is_err());
        assert!(former.add(|_| Some(DriveEvent::Ejected)).await.is_err());
        new.follow().await.unwrap();
        add(&mut new, DriveEvent::Ejected).await;
        assert!(log(&store, drive("tape3", 0)).begin().await.is_err());
    }

    #[tokio::test]
    async fn a_start_is_noted_although_another_daemon_notes_its_start_first() {
        let store = Arc::new(InMemory::new());
        let (mut first, mut second) = (log(&store, drive("tape2", 1)), log(&store, robot(1)));
        second.read_all().await.unwrap();
        first.begin().await.unwrap();
        second.begin().await.unwrap();
        assert_eq!((second.next, second.state().robot, second.state().drive.1), (3, 1, 1));
    }
}
