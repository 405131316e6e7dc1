//! The round trips to the store that follow one another in a load.

use super::*;
use tape_store::cartridge::CartridgeKind;
use tape_store::mam::Flags;

/// The requests of a connection: each is in a round after all requests that had ended when it began.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Length of the longest chain of requests that have ended.
    ended: usize,
    /// The round of each request, and the request.
    requests: Vec<(usize, String)>,
}

impl Rounds {
    /// Length of the longest chain of requests of which each began after the former one had ended.
    fn longest_chain(&self) -> usize {
        self.requests.iter().map(|(round, _)| *round).max().unwrap_or_default()
    }
}

impl Connection {
    /// A connection on which each request needs this time.
    fn slow(store: &Arc<InMemory>, latency: Duration) -> Arc<Self> {
        Arc::new(Self::with_rounds(store, Some((latency, Mutex::default()))))
    }

    /// The requests since the last call.
    fn take_rounds(&self) -> Rounds {
        self.rounds.as_ref().map(|(_, rounds)| std::mem::take(&mut *lock(rounds))).unwrap_or_default()
    }

    /// Executes a request in the time that this connection needs.
    pub(super) async fn timed<T>(&self, request: String, done: impl Future<Output = T>) -> T {
        let Some((latency, rounds)) = &self.rounds else { return done.await };
        let round = {
            let mut rounds = lock(rounds);
            let round = rounds.ended + 1;
            rounds.requests.push((round, request));
            round
        };
        tokio::time::sleep(*latency).await;
        let done = done.await;
        let mut rounds = lock(rounds);
        rounds.ended = rounds.ended.max(round);
        done
    }
}

/// The rounds of one load to its first block, as a drive does it.
fn rounds_of_load(machine: &Machine, connection: &Connection, first: &[u8]) -> Rounds {
    connection.take_rounds();
    let mut cartridge = machine.tapes.cartridge(&barcode(), &LTO_8, CartridgeKind::Data, 0);
    let (_, damage) = cartridge.mam_or_rebuilt().unwrap();
    assert!(damage.is_none());
    let mut tape = cartridge.open().unwrap().0;
    let mut into = vec![0; first.len()];
    if !first.is_empty() {
        tape.read(&mut [IoSliceMut::new(&mut into)]).unwrap();
        assert!(into == first);
    }
    connection.take_rounds()
}

/// Runs `load` with longer and longer requests, until it has at most `most` rounds: if this machine is busy, requests that do
/// not depend on one another may follow one another, so that a load has more rounds, but never fewer.
fn assert_rounds(most: usize, load: impl Fn(Duration) -> Rounds) {
    let mut rounds = Rounds::default();
    for latency in [20, 100, 400] {
        rounds = load(Duration::from_millis(latency));
        if rounds.longest_chain() <= most {
            return;
        }
    }
    panic!("{rounds:#?}");
}

const NO_BEAT: Duration = Duration::from_secs(600);

fn slow_machine(name: &str, store: &Arc<InMemory>, directory: &Path, latency: Duration) -> (Machine, Arc<Connection>) {
    let connection = Connection::slow(store, latency);
    let setup = MachineSetup { beat: NO_BEAT, keys: Some((1, Vec::new())), ..MachineSetup::default() };
    (machine_with(name, Arc::clone(&connection) as _, directory, &setup), connection)
}

/// A shelf with a tape of so many records, encrypted with the key of [`slow_machine`] or not.
fn store_with(records: u64, len: usize, is_encrypted: bool) -> (Arc<InMemory>, tempfile::TempDir) {
    let (store, directory) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let keys = is_encrypted.then(|| (1, Vec::new()));
    let setup = MachineSetup { keys, ..MachineSetup::default() };
    let first = machine_with("a", Arc::clone(&store) as _, directory.path(), &setup);
    first.create();
    let mut tape = first.load();
    (0..records).for_each(|number| append(tape.as_mut(), &block(number, len)).unwrap());
    tape.close().unwrap();
    drop(tape);
    (store, directory)
}

#[test]
fn the_first_byte_of_a_load_needs_five_round_trips() {
    // A few records, a long data file, long data and index files, and records of the length that many programs write.
    let tapes = [(3, 1000, false), (40, 100_000, true), (9000, 300, false), (8, 256 << 10, false)];
    for (records, len, is_encrypted) in tapes {
        assert_rounds(5, |latency| {
            let ((store, _a), b) = (store_with(records, len, is_encrypted), tempfile::tempdir().unwrap());
            let (second, connection) = slow_machine("b", &store, b.path(), latency);
            rounds_of_load(&second, &connection, &block(0, len))
        });
    }
}

#[test]
fn a_second_load_and_that_of_a_new_tape_need_no_more() {
    assert_rounds(5, |latency| {
        let (store, a) = store_with(40, 100_000, true);
        let (again, connection) = slow_machine("a", &store, a.path(), latency);
        rounds_of_load(&again, &connection, &block(0, 100_000))
    });
    assert_rounds(5, |latency| {
        let ((store, _a), b) = (store_with(0, 0, false), tempfile::tempdir().unwrap());
        let (second, connection) = slow_machine("b", &store, b.path(), latency);
        rounds_of_load(&second, &connection, &[])
    });
}

#[test]
fn a_load_shows_what_another_machine_has_changed_since_the_last_look() {
    let ((store, a), b) = (store_with(3, 100_000, false), tempfile::tempdir().unwrap());
    let first = machine("a", &store, a.path());
    let (second, connection) = slow_machine("b", &store, b.path(), Duration::ZERO);
    let records = |cartridge: &mut Cartridge| {
        let mut tape = cartridge.open().unwrap().0;
        let mut into = vec![0; 100_000];
        tape.read(&mut [IoSliceMut::new(&mut into)]).unwrap();
        (tape.usage(0).unwrap().objects, into)
    };
    let mut looked_at = second.cartridge();
    assert!(!looked_at.mam().unwrap().flags().contains(Flags::WRITE_PROTECTED));
    // The first machine overwrites the tape, and changes its cartridge memory.
    let mut cartridge = first.cartridge();
    let mut tape = cartridge.open().unwrap().0;
    append(tape.as_mut(), &block(7, 100_000)).unwrap();
    tape.close().unwrap();
    drop(tape);
    cartridge.set_write_protect_tab(true).unwrap();

    // The second machine still sees the former state, without a request.
    connection.take_rounds();
    assert!(!looked_at.mam().unwrap().flags().contains(Flags::WRITE_PROTECTED));
    assert_eq!(connection.take_rounds().longest_chain(), 0);
    assert!(records(&mut looked_at) == (1, block(7, 100_000)));
    assert!(looked_at.mam().unwrap().flags().contains(Flags::WRITE_PROTECTED));
}
