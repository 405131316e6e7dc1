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

use crate::buffers::BufferSource;
use crate::config::TargetConfig;
use crate::login::{LoginStatus, SessionParams};
use crate::wire::{BasicHeader, serial_before};
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
    pub task_tag: u32,
    /// The eight bytes of its LUN.
    pub lun: u64,
    /// The CDB, padded with zeros.
    pub cdb: [u8; 16],
    /// The buffer of what the initiator sent.
    pub data_out: Vec<u8>,
    /// How much it sent.
    pub data_out_len: usize,
    /// A buffer for what the device sends, if [`Self::room`] is not zero.
    pub data_in: Vec<u8>,
    /// How much the initiator takes.
    pub data_in_capacity: usize,
}

/// The answer to a command.
#[derive(Debug)]
pub struct CommandResponse {
    /// SCSI status.
    pub status: u8,
    /// Sense, if any; at most 252 bytes are sent.
    pub sense: Vec<u8>,
    /// The buffer that holds data for the initiator.
    pub data_in: Vec<u8>,
    /// How much of it.
    pub data_in_len: usize,
    /// How much the device would have sent into more room.
    pub data_in_wanted: usize,
    /// How much of the initiator's data the device took.
    pub data_out_consumed: usize,
    /// How much the device asked for beyond what the initiator offered.
    pub data_out_missing: usize,
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
pub struct RejectedLogin {
    /// The initiator's name; empty if it gave none that is valid.
    pub initiator: String,
    /// The status that it was sent.
    pub refusal: LoginStatus,
    /// Why, in words, if there is more to say than the status does.
    pub reason: String,
}

/// Task management functions (RFC 7143 §11.5.1) that concern devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskFunction {
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
    pub function: TaskFunction,
    /// To which LUN.
    pub lun: u64,
    /// Tasks of this connection that the function ends and that devices may have; they get no answer.
    pub tasks: Vec<u32>,
}

/// What the owner has to act on.
#[derive(Debug)]
pub enum ConnectionEvent {
    /// Answer with [`Connection::accept_login`] or [`Connection::reject_login`].
    Login(LoginRequest),
    /// Answer with [`Connection::complete_command`].
    Command(Command),
    /// Answer with [`Connection::task_management_done`].
    TaskManagement(TaskManagement),
    /// The session, or its one connection, is to end. Answer with [`Connection::finish_logout`] once no other initiator
    /// can meet what this I_T nexus held.
    Logout,
    /// A login was refused. There is nothing to answer.
    LoginRejected(RejectedLogin),
}

/// A request that came before its turn.
struct OutOfOrderRequest {
    header: BasicHeader,
    data: Vec<u8>,
    len: usize,
    intact: bool,
}

enum Phase {
    Login(LoginPhase),
    /// The owner decides about the session.
    AwaitingAccept(LoginPhase),
    FullFeature {
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
    params: SessionParams,
    receiver: Receiver,
    transmitter: Transmitter,
    events: VecDeque<ConnectionEvent>,
    exp_cmd_sn: u32,
    max_cmd_sn: u32,
    stat_sn: u32,
    tasks: HashMap<u32, Task>,
    /// Tasks in the order of their CmdSN that the owner does not have yet.
    queued_tasks: VecDeque<u32>,
    /// Requests that came before their turn.
    out_of_order: BTreeMap<u32, OutOfOrderRequest>,
    /// Numbers of requests that were aborted before they came.
    aborted_numbers: BTreeSet<u32>,
    /// Bytes of data-out buffers.
    data_out_buffered: usize,
    /// Bytes of data-in for commands that the owner has.
    data_in_running: usize,
    /// A command waits for memory.
    waits_for_buffer: bool,
    next_ttt: u32,
    text: Vec<u8>,
    /// What is left of an answer that is longer than a segment of the initiator.
    text_left: Vec<u8>,
    last_received: u64,
    nop_in_sent: bool,
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
            params: SessionParams::default(),
            receiver: Receiver::default(),
            transmitter: Transmitter::default(),
            events: VecDeque::new(),
            exp_cmd_sn: 0,
            max_cmd_sn: 0,
            stat_sn: 0,
            tasks: HashMap::new(),
            queued_tasks: VecDeque::new(),
            out_of_order: BTreeMap::new(),
            aborted_numbers: BTreeSet::new(),
            data_out_buffered: 0,
            data_in_running: 0,
            waits_for_buffer: false,
            next_ttt: 0,
            text: Vec::new(),
            text_left: Vec::new(),
            last_received: now,
            nop_in_sent: false,
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
    pub fn receive_buffer(&mut self) -> &mut [u8] {
        match self.phase {
            Phase::Closing => &mut [],
            _ => self.receiver.receive_buffer(&mut self.tasks),
        }
    }

    /// The first `len` bytes of [`Self::space`] were filled at `now`.
    pub fn received(&mut self, len: usize, now: u64, pool: &dyn BufferSource) {
        self.last_received = now;
        self.nop_in_sent = false;
        self.receive(len, pool);
    }

    /// What the owner has to act on next.
    pub fn next_event(&mut self) -> Option<ConnectionEvent> {
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
    pub fn pending_output<'a>(&'a self, slices: &mut Slices<'a>) {
        self.transmitter.pending_output(slices);
    }

    /// The first `len` bytes of [`Self::output`] were sent.
    pub fn sent(&mut self, len: usize, pool: &dyn BufferSource) {
        self.transmitter.sent(len, pool);
        if !self.queued_tasks.is_empty() {
            self.hand_over(pool);
        }
    }

    /// Whether something waits for memory of the pool: [`Self::resume`] has it ask again.
    #[must_use]
    pub const fn needs_buffers(&self) -> bool {
        self.waits_for_buffer || self.receiver.is_blocked()
    }

    /// Whether no more bytes can be received before there is memory for them. The peer is not silent meanwhile.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.receiver.is_blocked()
    }

    /// The pool may have memory again, at `now`.
    pub fn resume(&mut self, now: u64, pool: &dyn BufferSource) {
        let was_blocked = self.is_blocked();
        self.waits_for_buffer = false;
        // In the order of the commands: what the first one lacks, no later one takes.
        self.hand_over(pool);
        if !self.waits_for_buffer {
            self.unblock(pool);
        }
        if was_blocked {
            (self.last_received, self.nop_in_sent) = (now, false);
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
        matches!(self.phase, Phase::FullFeature { .. })
    }

    /// Commands that the owner has and did not answer.
    #[must_use]
    pub fn running_commands(&self) -> usize {
        self.tasks.values().filter(|task| task.is_running()).count()
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        match &self.phase {
            // What it sends cannot be read, so it is not silent.
            Phase::FullFeature { .. } if self.is_blocked() => u64::MAX,
            Phase::FullFeature { discovery: true, .. } => self.last_received + self.config.limits.discovery_timeout_us,
            Phase::Login(login) | Phase::AwaitingAccept(login) => login.started + self.config.limits.login_timeout_us,
            Phase::FullFeature { .. } => {
                self.last_received + self.config.limits.idle_timeout_us * if self.nop_in_sent { 2 } else { 1 }
            }
            Phase::Closing => self.last_received + self.config.limits.login_timeout_us,
        }
    }

    /// Bytes are on their way to the peer at `now`: it is not silent, only slow.
    pub const fn record_send_progress(&mut self, now: u64) {
        if !self.nop_in_sent {
            self.last_received = now;
        }
    }

    /// Time has come: a login that takes too long and a peer that does not answer end, a silent one is asked.
    pub fn handle_timeout(&mut self, now: u64, pool: &dyn BufferSource) {
        if now < self.deadline() {
            return;
        }
        match self.phase {
            Phase::FullFeature { discovery: false, .. } if !self.nop_in_sent => {
                self.send_nop_in(pool);
                self.nop_in_sent = true;
            }
            _ => {
                self.transmitter.clear(pool);
                self.phase = Phase::Closing;
            }
        }
    }

    /// Everything ends now; buffers go back to the pool.
    pub fn abort(&mut self, pool: &dyn BufferSource) {
        self.phase = Phase::Closing;
        self.transmitter.clear(pool);
        for (_, task) in self.tasks.drain() {
            pool.release(task.buffer);
        }
        while let Some((_, early)) = self.out_of_order.pop_first() {
            pool.release(early.data);
        }
        self.receiver.abort(pool);
    }

    /// Serial numbers of every PDU that we send.
    const fn sequence_numbers(&self) -> (u32, u32) {
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
        let tasks = limits.command_window.saturating_sub(u32::try_from(in_flight).unwrap_or(u32::MAX));
        let room =
            limits.data_out_bytes.saturating_sub(self.data_out_buffered) / (self.params.first_burst as usize).max(1);
        let free = tasks.min(u32::try_from(room).unwrap_or(u32::MAX));
        let max = self.exp_cmd_sn.wrapping_add(free).wrapping_sub(1);
        if serial_before(self.max_cmd_sn, max) {
            self.max_cmd_sn = max;
        }
    }
}
