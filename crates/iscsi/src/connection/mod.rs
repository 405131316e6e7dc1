//! One connection and the session on it, as a state machine.

mod data_in;
mod data_out;
mod full_feature;
mod login_phase;
mod receive;
mod task_management;
#[cfg(test)]
mod tests;
mod transmit;

use crate::config::TargetConfig;
use crate::login::{Params, Refusal};
use crate::pool::Pool;
use crate::wire::{Basic, before};
use data_out::Task;
use login_phase::LoginPhase;
use receive::Receiver;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use transmit::Transmitter;

/// A command whose data is complete, to be run in order for its LUN.
#[derive(Debug)]
pub struct Command {
    /// Its task tag, to answer by.
    pub task: u32,
    /// The eight bytes of its LUN.
    pub lun: u64,
    /// The CDB, padded with zeros.
    pub cdb: [u8; 16],
    /// The buffer of what the initiator sent.
    pub data_out: Vec<u8>,
    /// How much it sent.
    pub data_len: usize,
    /// A buffer for what the device sends, if [`Self::room`] is not zero.
    pub data_in: Vec<u8>,
    /// How much the initiator takes.
    pub room: usize,
}

/// The answer to a command.
#[derive(Debug)]
pub struct Answer {
    /// SCSI status.
    pub status: u8,
    /// Sense, if any; at most 252 bytes are sent.
    pub sense: Vec<u8>,
    /// The buffer that holds data for the initiator.
    pub data_in: Vec<u8>,
    /// How much of it.
    pub produced: usize,
    /// How much the device would have sent into more room.
    pub wanted: usize,
    /// How much of the initiator's data the device took.
    pub consumed: usize,
    /// How much the device asked for beyond what the initiator offered.
    pub missing: usize,
    /// The buffer of [`Command::data_out`], to be used again.
    pub data_out: Vec<u8>,
}

/// A login that asks for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRequest {
    /// The initiator's name.
    pub initiator: String,
    /// The target's name; empty for a discovery.
    pub target: String,
    /// Its ISID.
    pub isid: [u8; 6],
    /// TSIH: zero asks for a new session.
    pub tsih: u16,
    /// CID of the connection.
    pub cid: u16,
    /// It only wants to discover.
    pub discovery: bool,
}

/// A login that was refused, for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLogin {
    /// The initiator's name; empty if it gave none that is valid.
    pub initiator: String,
    /// The status that it was sent.
    pub refusal: Refusal,
    /// Why, in words, if there is more to say than the status does.
    pub reason: String,
}

/// Task management functions (RFC 7143 §11.5.1) that concern devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// 1: the task is in [`TaskManagement::tasks`].
    AbortTask,
    /// 2: this session's tasks of the LUN.
    AbortTaskSet,
    /// 4: everyone's tasks of the LUN.
    ClearTaskSet,
    /// 5.
    LunReset,
    /// 6.
    WarmReset,
    /// 7: all connections are dropped after the answer.
    ColdReset,
}

/// A task management request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskManagement {
    /// To answer by.
    pub tag: u32,
    /// What is to be done.
    pub function: Function,
    /// To which LUN.
    pub lun: u64,
    /// Tasks of this connection that the function ends and that devices may have; they get no answer.
    pub tasks: Vec<u32>,
}

/// What the owner has to act on.
#[derive(Debug)]
pub enum Event {
    /// Answer with [`Connection::admit`] or [`Connection::refuse`].
    Login(LoginRequest),
    /// Answer with [`Connection::complete`].
    Command(Command),
    /// Answer with [`Connection::task_management_done`].
    TaskManagement(TaskManagement),
    /// The session, or its one connection, is to end. Answer with [`Connection::logged_out`] once no other initiator
    /// can meet what this I_T nexus held.
    Logout,
    /// A login was refused. There is nothing to answer.
    LoginRefused(RefusedLogin),
}

/// A request that came before its turn.
struct Early {
    header: Basic,
    data: Vec<u8>,
    len: usize,
    intact: bool,
}

enum Phase {
    Login(LoginPhase),
    /// The owner decides about the session.
    Admission(LoginPhase),
    Full {
        discovery: bool,
        cid: u16,
    },
    /// Send what is queued, then close.
    Closing,
}

/// What one system call may send.
pub type Slices<'a> = smallvec::SmallVec<[std::io::IoSlice<'a>; 64]>;

/// One connection.
pub struct Connection {
    config: Arc<TargetConfig>,
    /// The target of the session; empty before, and for a discovery.
    target: String,
    /// `address:port` that the initiator connected to.
    portal: String,
    /// The initiator is on another host.
    remote: bool,
    /// ISID of the session.
    isid: [u8; 6],
    phase: Phase,
    params: Params,
    receiver: Receiver,
    transmitter: Transmitter,
    events: VecDeque<Event>,
    exp_cmd_sn: u32,
    max_cmd_sn: u32,
    stat_sn: u32,
    tasks: HashMap<u32, Task>,
    /// Tasks in the order of their CmdSN that the owner does not have yet.
    waiting: VecDeque<u32>,
    /// Requests that came before their turn.
    early: BTreeMap<u32, Early>,
    /// Numbers of requests that were aborted before they came.
    given_up: BTreeSet<u32>,
    /// Bytes of data-out buffers.
    buffered: usize,
    /// Bytes of data-in for commands that the owner has.
    data_in_running: usize,
    /// A command waits for memory.
    short_of_memory: bool,
    next_ttt: u32,
    text: Vec<u8>,
    /// What is left of an answer that is longer than a segment of the initiator.
    text_left: Vec<u8>,
    last_heard: u64,
    pinged: bool,
    /// Task tag of a logout request that the owner has not answered.
    logout: Option<u32>,
}

impl Connection {
    /// A new connection to `portal` (`address:port`) at `now` microseconds. `random` seeds its CHAP challenge.
    #[must_use]
    pub fn new(config: Arc<TargetConfig>, portal: String, random: [u8; 32], now: u64) -> Self {
        Self {
            config,
            target: String::new(),
            portal,
            remote: false,
            isid: [0; 6],
            phase: Phase::Login(LoginPhase::new(random, now)),
            params: Params::default(),
            receiver: Receiver::default(),
            transmitter: Transmitter::default(),
            events: VecDeque::new(),
            exp_cmd_sn: 0,
            max_cmd_sn: 0,
            stat_sn: 0,
            tasks: HashMap::new(),
            waiting: VecDeque::new(),
            early: BTreeMap::new(),
            given_up: BTreeSet::new(),
            buffered: 0,
            data_in_running: 0,
            short_of_memory: false,
            next_ttt: 0,
            text: Vec::new(),
            text_left: Vec::new(),
            last_heard: now,
            pinged: false,
            logout: None,
        }
    }

    /// Says whether the initiator is on another host. Behind an address translator the local address of the connection is
    /// not the one that the initiator used.
    pub const fn set_remote(&mut self, remote: bool) {
        self.remote = remote;
    }

    /// Where the next bytes of the stream belong; empty once the connection is to be closed, and while
    /// [`Self::is_blocked`].
    pub fn space(&mut self) -> &mut [u8] {
        match self.phase {
            Phase::Closing => &mut [],
            _ => self.receiver.space(&mut self.tasks),
        }
    }

    /// The first `len` bytes of [`Self::space`] were filled at `now`.
    pub fn filled(&mut self, len: usize, now: u64, pool: &dyn Pool) {
        self.last_heard = now;
        self.pinged = false;
        self.receive(len, pool);
    }

    /// What the owner has to act on next.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether [`Self::next_event`] has one.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Whether bytes wait to be sent.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.transmitter.is_empty()
    }

    /// Whether so much waits to be sent that no more commands should be read.
    #[must_use]
    pub fn output_is_full(&self) -> bool {
        self.transmitter.is_full()
    }

    /// Appends the bytes to be sent next, as many slices as one call may take.
    pub fn output<'a>(&'a self, slices: &mut Slices<'a>) {
        self.transmitter.output(slices);
    }

    /// The first `len` bytes of [`Self::output`] were sent.
    pub fn sent(&mut self, len: usize, pool: &dyn Pool) {
        self.transmitter.sent(len, pool);
        if !self.waiting.is_empty() {
            self.hand_over(pool);
        }
    }

    /// Whether something waits for memory of the pool: [`Self::resume`] has it ask again.
    #[must_use]
    pub const fn wants_memory(&self) -> bool {
        self.short_of_memory || self.receiver.is_blocked()
    }

    /// Whether no more bytes can be received before there is memory for them. The peer is not silent meanwhile.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.receiver.is_blocked()
    }

    /// The pool may have memory again, at `now`.
    pub fn resume(&mut self, now: u64, pool: &dyn Pool) {
        let was_blocked = self.is_blocked();
        self.short_of_memory = false;
        // In the order of the commands: what the first one lacks, no later one takes.
        self.hand_over(pool);
        if !self.short_of_memory {
            self.unblock(pool);
        }
        if was_blocked {
            (self.last_heard, self.pinged) = (now, false);
        }
    }

    /// Whether the connection is to be closed as soon as its output is sent.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing)
    }

    /// Whether the connection carries a session that may send commands.
    #[must_use]
    pub const fn is_full_feature(&self) -> bool {
        matches!(self.phase, Phase::Full { .. })
    }

    /// Commands that the owner has and did not answer.
    #[must_use]
    pub fn running(&self) -> usize {
        self.tasks.values().filter(|task| task.is_running()).count()
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        match &self.phase {
            // What it sends cannot be read, so it is not silent.
            Phase::Full { .. } if self.is_blocked() => u64::MAX,
            Phase::Full { discovery: true, .. } => self.last_heard + self.config.limits.discovery_us,
            Phase::Login(login) | Phase::Admission(login) => login.started + self.config.limits.login_us,
            Phase::Full { .. } => self.last_heard + self.config.limits.idle_us * if self.pinged { 2 } else { 1 },
            Phase::Closing => self.last_heard + self.config.limits.login_us,
        }
    }

    /// Bytes are on their way to the peer at `now`: it is not silent, only slow.
    pub const fn alive(&mut self, now: u64) {
        if !self.pinged {
            self.last_heard = now;
        }
    }

    /// Time has come: a login that takes too long and a peer that does not answer end, a silent one is asked.
    pub fn handle_timeout(&mut self, now: u64, pool: &dyn Pool) {
        if now < self.deadline() {
            return;
        }
        match self.phase {
            Phase::Full { discovery: false, .. } if !self.pinged => {
                self.ping(pool);
                self.pinged = true;
            }
            _ => {
                self.transmitter.clear(pool);
                self.phase = Phase::Closing;
            }
        }
    }

    /// Everything ends now; buffers go back to the pool.
    pub fn abandon(&mut self, pool: &dyn Pool) {
        self.phase = Phase::Closing;
        self.transmitter.clear(pool);
        for (_, task) in self.tasks.drain() {
            pool.give(task.buffer);
        }
        while let Some((_, early)) = self.early.pop_first() {
            pool.give(early.data);
        }
        self.receiver.abandon(pool);
    }

    /// Serial numbers of every PDU that we send.
    const fn numbers(&self) -> (u32, u32) {
        (self.exp_cmd_sn, self.max_cmd_sn)
    }

    /// StatSN for a PDU that carries status, or only shows the next one.
    const fn take_stat_sn(&mut self, uses: bool) -> u32 {
        let current = self.stat_sn;
        if uses {
            self.stat_sn = current.wrapping_add(1);
        }
        current
    }

    /// Opens the command window as far as tasks in flight allow; it never goes back.
    fn open_window(&mut self) {
        let limits = &self.config.limits;
        let in_flight = self.tasks.values().filter(|task| !task.immediate).count();
        let tasks = limits.window.saturating_sub(u32::try_from(in_flight).unwrap_or(u32::MAX));
        let room = limits.buffered.saturating_sub(self.buffered) / (self.params.first_burst as usize).max(1);
        let free = tasks.min(u32::try_from(room).unwrap_or(u32::MAX));
        let max = self.exp_cmd_sn.wrapping_add(free).wrapping_sub(1);
        if before(self.max_cmd_sn, max) {
            self.max_cmd_sn = max;
        }
    }
}
