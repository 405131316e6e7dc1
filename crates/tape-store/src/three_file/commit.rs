//! The store behind the folder: durability beyond this machine, and the loss of the cartridge to another daemon.

use super::ThreeFile;
use crate::backend::CommitPoint;
use crate::error::StoreError;

impl ThreeFile {
    /// Makes what is synchronised durable beyond this machine, if the store promises that.
    pub(super) fn commit(&mut self, point: CommitPoint) -> Result<(), StoreError> {
        let committed = self.folder.commit(point).map_err(StoreError::io("committing the cartridge"));
        self.commit_failed = committed.is_err();
        committed.inspect_err(|error| self.record_taken_over(error))
    }

    /// Repeats a commit that failed, before anything is written: the objects that it concerns are on this machine only.
    pub(super) fn repeat_failed_commit(&mut self) -> Result<(), StoreError> {
        if self.commit_failed { self.commit(CommitPoint::Synchronise) } else { Ok(()) }
    }

    /// Runs an operation, unless another daemon has taken over the cartridge; records that if the operation fails for it.
    pub(super) fn while_owned<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(owner) = &self.taken_over_by {
            return Err(StoreError::TakenOver { owner: owner.clone() });
        }
        operation(self).inspect_err(|error| self.record_taken_over(error))
    }

    /// Runs an operation that moves the position and changes nothing else. If its data must be thawed first, the position is as before
    /// it, so that it can be repeated.
    pub(super) fn repeatable<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let before = (self.current, self.object, self.offset, self.file);
        let done = operation(self);
        if let Err(StoreError::BeingThawed(_)) = done {
            (self.current, self.object, self.offset, self.file) = before;
        }
        done
    }

    fn record_taken_over(&mut self, error: &StoreError) {
        if let Some(owner) = error.taken_over_by() {
            self.taken_over_by = Some(owner.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::TakenOver;
    use crate::backend::faulty::FaultyFolder;
    use crate::medium::{Codec, Medium, MediumOperation, WriteOutcome};
    use crate::three_file::TapeOptions;
    use std::io::{self, IoSlice, IoSliceMut};

    const SYNCHRONISE: [CommitPoint; 1] = [CommitPoint::Synchronise];

    fn tape(folder: &FaultyFolder, options: TapeOptions) -> ThreeFile {
        ThreeFile::open(Box::new(folder.clone()), options).unwrap().0
    }

    fn write(tape: &mut ThreeFile, len: usize) -> Result<WriteOutcome, StoreError> {
        tape.append(&[IoSlice::new(&vec![1; len])], Codec::NONE)
    }

    fn read(tape: &mut ThreeFile) -> Result<(), StoreError> {
        tape.read(&mut [IoSliceMut::new(&mut [0; 8])]).map(drop)
    }

    #[test]
    fn each_synchronisation_and_the_close_commit_once() {
        let folder = FaultyFolder::default();
        let mut tape = tape(&folder, TapeOptions::native(1 << 30));
        tape.format(&[1 << 20, 1 << 20]).unwrap();
        write(&mut tape, 100).unwrap();
        write(&mut tape, 100_000).unwrap();
        tape.append_filemark().unwrap();
        assert_eq!(folder.take_commits(), []);
        tape.sync().unwrap();
        assert_eq!(folder.take_commits(), SYNCHRONISE);
        write(&mut tape, 100).unwrap();
        tape.close().unwrap();
        assert_eq!(folder.take_commits(), [CommitPoint::Unload]);
        drop(tape);
        let mut tape = self::tape(&folder, TapeOptions::native(1 << 30).read_only());
        tape.sync().unwrap();
        tape.close().unwrap();
        assert_eq!(folder.take_commits(), []);
    }

    /// At the commit, the disk has everything: no synchronisation follows it.
    #[test]
    fn commit_follows_the_synchronisation_of_the_files() {
        let folder = FaultyFolder::default();
        let mut tape = tape(&folder, TapeOptions::native(1 << 30));
        write(&mut tape, 100).unwrap();
        folder.fail_at(Some(folder.calls()), io::ErrorKind::Other);
        assert!(tape.sync().is_err());
        assert_eq!(folder.take_commits(), []);
        folder.fail_at(None, io::ErrorKind::Other);
        write(&mut tape, 100).unwrap();
        tape.sync().unwrap();
        let after = folder.crash(|_| 0);
        assert_eq!(folder.take_commits(), SYNCHRONISE);
        assert_eq!(self::tape(&after, TapeOptions::native(1 << 30)).usage(0).unwrap().objects, 1);
    }

    #[test]
    fn failed_commit_is_a_failed_synchronisation_and_is_repeated() {
        let folder = FaultyFolder::default();
        let mut tape = tape(&folder, TapeOptions::native(1 << 30));
        write(&mut tape, 100).unwrap();
        folder.fail_commits(Some(io::ErrorKind::TimedOut));
        let error = tape.sync().unwrap_err();
        assert_eq!(error.to_string(), "committing the cartridge failed: timed out");
        assert_eq!(folder.take_commits(), SYNCHRONISE);
        // Nothing is written before the objects are committed; they are not lost.
        for _ in 0..2 {
            assert!(matches!(write(&mut tape, 100).unwrap_err(), StoreError::Io { .. }));
            assert!(matches!(tape.append_filemark().unwrap_err(), StoreError::Io { .. }));
            assert!(matches!(tape.format(&[1 << 20]).unwrap_err(), StoreError::Io { .. }));
            assert!(tape.sync().is_err());
        }
        assert_eq!(folder.take_commits().len(), 8);
        assert!(tape.take_deferred().is_none());
        assert!(tape.locate(0, 0).unwrap());
        assert!(matches!(tape.truncate().unwrap_err(), StoreError::Io { .. }));
        read(&mut tape).unwrap();
        folder.fail_commits(None);
        assert_eq!(folder.take_commits(), SYNCHRONISE);
        write(&mut tape, 100).unwrap();
        assert_eq!(folder.take_commits(), SYNCHRONISE);
        write(&mut tape, 100).unwrap();
        assert_eq!(folder.take_commits(), []);
        tape.sync().unwrap();
        assert_eq!((tape.usage(0).unwrap().objects, folder.take_commits()), (3, SYNCHRONISE.to_vec()));
        // A close is the last attempt, and reports its failure.
        folder.fail_commits(Some(io::ErrorKind::TimedOut));
        assert!(matches!(tape.close().unwrap_err(), StoreError::Io { .. }));
        assert_eq!(folder.take_commits(), [CommitPoint::Unload]);
    }

    #[test]
    fn error_that_carries_the_owner_is_recognised() {
        let carried = || io::Error::from(TakenOver { owner: "vault2".into() });
        for error in [carried(), io::Error::other(carried()), io::Error::new(io::ErrorKind::TimedOut, carried())] {
            let error = StoreError::io("reading data.0")(error);
            assert_eq!(error.to_string(), "the cartridge was taken over by vault2");
            let lost = StoreError::LostObjects { partition: 0, object: 1, cause: Box::new(error.clone()) };
            assert_eq!((error.taken_over_by(), lost.taken_over_by()), (Some("vault2"), Some("vault2")));
        }
        let other = StoreError::io("reading data.0")(io::Error::other("taken over by vault2"));
        assert_eq!(other.taken_over_by(), None);
    }

    /// Whatever call finds that the cartridge was taken over, the host gets no success for what is lost, every later operation
    /// fails, and nothing more is written.
    #[test]
    fn nothing_succeeds_after_the_cartridge_was_taken_over() {
        let mut found = 0;
        for at in 0..40 {
            let folder = FaultyFolder::default();
            let mut tape = tape(&folder, TapeOptions::native(1 << 30));
            let first = folder.calls();
            folder.take_over_at(first + at, "vault2");
            let (mut synced, mut failed) = (0, false);
            for number in 0..8_u64 {
                let len = if number % 2 == 0 { 100 } else { 100_000 };
                let done = write(&mut tape, len).and_then(|_| tape.sync());
                failed |= done.is_err();
                assert_eq!(failed, done.is_err(), "call {at}, block {number}");
                synced = if failed { synced } else { number + 1 };
                let owner = done.err().and_then(|error| error.taken_over_by().map(str::to_owned));
                assert_eq!((owner.as_deref(), tape.taken_over_by()), (failed.then_some("vault2"), owner.as_deref()));
            }
            found += u32::from(failed);
            if !failed {
                continue;
            }
            // The other daemon releases the cartridge: this tape stays useless.
            folder.give_back();
            let calls = folder.calls();
            let _ = folder.take_commits();
            assert!(matches!(tape.locate(0, 0).unwrap_err(), StoreError::TakenOver { .. }));
            assert!(matches!(read(&mut tape).unwrap_err(), StoreError::TakenOver { .. }));
            assert!(matches!(tape.truncate().unwrap_err(), StoreError::TakenOver { .. }));
            assert!(matches!(tape.append_filemark().unwrap_err(), StoreError::TakenOver { .. }));
            assert!(matches!(tape.format(&[1 << 20]).unwrap_err(), StoreError::TakenOver { .. }));
            tape.clear_keys();
            assert!(matches!(tape.close().unwrap_err(), StoreError::TakenOver { .. }));
            drop(tape);
            assert_eq!((folder.calls(), folder.take_commits()), (calls, Vec::new()), "call {at}");
            let objects = self::tape(&folder, TapeOptions::native(1 << 30)).usage(0).unwrap().objects;
            assert!(objects >= synced, "call {at}: {objects} of {synced} objects");
        }
        assert!(found > 20, "{found}");
    }

    #[test]
    fn waiting_of_the_folder_is_that_of_the_tape() {
        for waits in [true, false] {
            let folder = FaultyFolder::default();
            folder.set_may_wait(waits);
            let tape = tape(&folder, TapeOptions::native(1 << 30));
            for operation in [MediumOperation::Read, MediumOperation::Append, MediumOperation::Drain] {
                assert_eq!(tape.may_wait(operation), waits);
            }
        }
    }

    #[test]
    fn appends_that_remove_nothing_wait_as_the_folder_says() {
        let folder = FaultyFolder::default();
        folder.set_may_wait(true);
        folder.set_append_may_wait(false);
        let mut tape = tape(&folder, TapeOptions::native(1 << 30));
        let waits = |tape: &ThreeFile| {
            [MediumOperation::Read, MediumOperation::Append, MediumOperation::Drain].map(|it| tape.may_wait(it))
        };
        write(&mut tape, 100).unwrap();
        assert_eq!(waits(&tape), [true, false, false]);
        folder.set_append_may_wait(true);
        assert_eq!(waits(&tape), [true; 3]);
        folder.set_append_may_wait(false);
        assert!(tape.locate(0, 0).unwrap());
        assert_eq!(waits(&tape), [true; 3]);
        assert!(tape.locate(0, 1).unwrap());
        folder.fail_commits(Some(io::ErrorKind::TimedOut));
        assert!(tape.sync().is_err());
        // The next append repeats the commit.
        assert_eq!(waits(&tape), [true; 3]);
        folder.fail_commits(None);
        write(&mut tape, 100).unwrap();
        assert_eq!(waits(&tape), [true, false, false]);
    }
}
