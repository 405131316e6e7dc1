//! One connection and its session, as a state machine without I/O.

mod additional_header;
mod data_in;
mod data_out;
mod full_feature;
mod login_phase;
mod receive;
mod task_management;
#[cfg(test)]
mod tests;
mod transmit;

use crate::buffers::{BufferSource, release_wiped};
use crate::config::TargetConfig;
use crate::login::{LoginStatus, SessionParams};
use crate::wire::{BasicHeader, serial_before};
use data_out::TaskTable;
use login_phase::LoginPhase;
use receive::Receiver;
use scsi_core::fault::Completion;
use scsi_core::nexus::NexusId;
use scsi_core::target::{CdbBytes, Command, Tag};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use transmit::Transmitter;

/// A login that is complete except for the decision of the owner about the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRequest {
    /// iSCSI name of the initiator, normalised.
    pub initiator: String,
    /// Configured name of the target; empty for a discovery session.
    pub target: String,
    /// ISID, the initiator's part of the session identifier.
    pub isid: [u8; 6],
    /// TSIH of the session to join; zero requests a new session.
    pub tsih: u16,
    /// CID, the connection identifier within the session.
    pub cid: u16,
    /// SessionType is Discovery: the session only lists targets.
    pub discovery: bool,
}

/// A rejected login, for the log of the owner: names, status and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedLogin {
    /// iSCSI name of the initiator, normalised; empty if it sent no valid name.
    pub initiator: String,
    /// The status in the login response.
    pub refusal: LoginStatus,
    /// Explanation in addition to the status; may be empty.
    pub reason: String,
}

/// Task management functions (RFC 7143 §11.5.1) that the owner has to execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskFunction {
    /// ABORT TASK (1): the task is in [`TaskManagement::tasks`] if the owner runs it.
    AbortTask,
    /// ABORT TASK SET (2): aborts the tasks of this session on the LUN.
    AbortTaskSet,
    /// CLEAR TASK SET (4): aborts the tasks of all sessions on the LUN.
    ClearTaskSet,
    /// LOGICAL UNIT RESET (5): resets the LUN.
    LunReset,
    /// TARGET WARM RESET (6): resets all LUNs of the target.
    WarmReset,
    /// TARGET COLD RESET (7): resets all LUNs of the target; all connections are closed after the response.
    ColdReset,
}

/// A task management request for the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskManagement {
    /// Initiator Task Tag of the request, for [`Connection::task_management_done`].
    pub tag: u32,
    /// The task management function to execute.
    pub function: TaskFunction,
    /// The eight LUN bytes as a big-endian number. No meaning for target resets.
    pub lun: u64,
    /// Tags of the aborted commands of this connection that the owner runs; no response is sent for them.
    pub tasks: Vec<Tag>,
}

/// An event that the owner has to handle.
#[derive(Debug)]
pub enum ConnectionEvent {
    /// An initiator requests a session: call [`Connection::accept_login`] or [`Connection::reject_login`].
    Login(LoginRequest),
    /// A command is ready to run, its Data-Out is complete: call [`Connection::complete_command`]. The commands of a LUN
    /// come in the order of their CmdSN, except that HEAD OF QUEUE passes commands whose Data-Out is incomplete. The tag
    /// is the Initiator Task Tag.
    Command(Command),
    /// A task management function: execute it, then call [`Connection::task_management_done`].
    TaskManagement(TaskManagement),
    /// The initiator logs out: end the session, then call [`Connection::finish_logout`] once reservations, PREVENT and
    /// other state of the I_T nexus no longer affect other initiators.
    Logout,
    /// A login was rejected; for the log only.
    LoginRejected(RejectedLogin),
    /// A NOP-Out, while [`Connection::set_holds_nop_outs`] is on: call [`Connection::respond_nop_out`] or
    /// [`Connection::ignore_nop_out`].
    NopOut(NopOut),
    /// A command was ended here, because of an error in its transfer or because of its task attribute; for its record only.
    CommandRejected(RejectedCommand),
}

/// A command that the connection has ended with an error before its owner could run it. Its data is not included.
#[derive(Clone, Debug)]
pub struct RejectedCommand {
    /// The I_T nexus of the command.
    pub nexus: NexusId,
    /// The eight LUN bytes as a big-endian number.
    pub lun: u64,
    /// The Initiator Task Tag of the command.
    pub tag: Tag,
    /// The CDB as received, at most 260 bytes.
    pub cdb: CdbBytes,
    /// The status and the sense data that the initiator gets.
    pub completion: Completion,
}

/// A NOP-Out of the initiator that expects a NOP-In as its response (RFC 7143 §11.18).
#[derive(Debug)]
pub struct NopOut {
    header: BasicHeader,
    data: Vec<u8>,
    len: usize,
}

/// A request that was received completely.
struct ReceivedRequest {
    header: BasicHeader,
    /// Additional header segments, with padding.
    additional: Vec<u8>,
    /// A buffer with the data segment; empty if there is none.
    data: Vec<u8>,
    /// Length of the data segment in bytes.
    len: usize,
    /// The data digest is correct, or there is none.
    intact: bool,
}

enum Phase {
    Login(LoginPhase),
    /// The owner has to accept or reject the login.
    AwaitingAccept(LoginPhase),
    FullFeature {
        discovery: bool,
        cid: u16,
    },
    /// Queued output is sent, then the connection is closed.
    Closing,
}

/// Output slices for one vectored write: at most 64.
pub type Slices<'a> = smallvec::SmallVec<[std::io::IoSlice<'a>; 64]>;

/// One TCP connection and its session, as a state machine without I/O.
pub struct Connection {
    config: Arc<TargetConfig>,
    /// The target of the session; empty in the login phase and in a discovery session.
    target: String,
    /// Local address of the connection, as `address:port`.
    portal: String,
    /// The initiator is on another host.
    remote: bool,
    /// ISID of the session.
    isid: [u8; 6],
    /// The I_T nexus of the commands, assigned by the owner.
    nexus: NexusId,
    phase: Phase,
    params: SessionParams,
    receiver: Receiver,
    transmitter: Transmitter,
    events: VecDeque<ConnectionEvent>,
    exp_cmd_sn: u32,
    max_cmd_sn: u32,
    stat_sn: u32,
    tasks: TaskTable,
    /// Tags of the tasks that do not run yet, in CmdSN order.
    queued_tasks: VecDeque<u32>,
    /// Out-of-order requests, by CmdSN.
    out_of_order: BTreeMap<u32, ReceivedRequest>,
    /// CmdSNs of requests that were aborted before they were received.
    aborted_cmd_sns: BTreeSet<u32>,
    /// Total length of the data-out buffers, in bytes.
    data_out_buffered: usize,
    /// Total data-in capacity of the running commands, in bytes.
    data_in_running: usize,
    /// A command waits for a buffer.
    waits_for_buffer: bool,
    next_ttt: u32,
    text: Vec<u8>,
    /// Rest of a text response that is longer than MaxRecvDataSegmentLength of the initiator.
    pending_text: Vec<u8>,
    last_received: u64,
    nop_in_sent: bool,
    /// NOP-Outs become events.
    holds_nop_outs: bool,
    /// Initiator Task Tag of a logout request whose response is not sent yet.
    logout: Option<u32>,
}

impl Connection {
    /// Creates a connection to the local address `portal` (`address:port`) at time `now`, in microseconds. `random`
    /// becomes the CHAP identifier and challenge.
    #[must_use]
    pub fn new(config: Arc<TargetConfig>, portal: String, random: [u8; 32], now: u64) -> Self {
        Self {
            config,
            target: String::new(),
            portal,
            remote: false,
            isid: [0; 6],
            nexus: NexusId(0),
            phase: Phase::Login(LoginPhase::new(random, now)),
            params: SessionParams::default(),
            receiver: Receiver::default(),
            transmitter: Transmitter::default(),
            events: VecDeque::new(),
            exp_cmd_sn: 0,
            max_cmd_sn: 0,
            stat_sn: 0,
            tasks: TaskTable::default(),
            queued_tasks: VecDeque::new(),
            out_of_order: BTreeMap::new(),
            aborted_cmd_sns: BTreeSet::new(),
            data_out_buffered: 0,
            data_in_running: 0,
            waits_for_buffer: false,
            next_ttt: 0,
            text: Vec::new(),
            pending_text: Vec::new(),
            last_received: now,
            nop_in_sent: false,
            holds_nop_outs: false,
            logout: None,
        }
    }

    /// Sets whether the initiator is on another host. With NAT in between, the local address of the connection differs
    /// from the address that the initiator used; see [`AdvertisedAddress`](crate::config::AdvertisedAddress).
    pub const fn set_remote(&mut self, remote: bool) {
        self.remote = remote;
    }

    /// Returns the buffer for the next bytes of the stream. Empty while [`Self::is_blocked`], and when the connection
    /// is closing.
    pub fn receive_buffer(&mut self) -> &mut [u8] {
        match self.phase {
            Phase::Closing => &mut [],
            _ => self.receiver.receive_buffer(&mut self.tasks),
        }
    }

    /// Processes `len` bytes that were stored in [`Self::receive_buffer`] at time `now`, in microseconds.
    pub fn received(&mut self, len: usize, now: u64, buffers: &dyn BufferSource) {
        self.last_received = now;
        self.nop_in_sent = false;
        self.receive(len, buffers);
    }

    /// Returns the next event that the owner has to handle.
    pub fn next_event(&mut self) -> Option<ConnectionEvent> {
        self.events.pop_front()
    }

    /// Returns whether [`Self::next_event`] has an event.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Returns whether output is queued.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.transmitter.is_empty()
    }

    /// Returns whether so much output is queued that the owner should stop receiving.
    #[must_use]
    pub fn output_is_full(&self) -> bool {
        self.transmitter.is_full()
    }

    /// Appends the slices to be sent next, as many as one vectored write accepts.
    pub fn pending_output<'a>(&'a self, slices: &mut Slices<'a>) {
        self.transmitter.pending_output(slices);
    }

    /// Removes the first `len` bytes of the output after they were sent.
    pub fn sent(&mut self, len: usize, buffers: &dyn BufferSource) {
        self.transmitter.sent(len, buffers);
        if !self.queued_tasks.is_empty() {
            self.start_ready_tasks(buffers);
        }
    }

    /// Returns whether a command or a data segment waits for a buffer; [`Self::resume`] tries again.
    #[must_use]
    pub const fn needs_buffers(&self) -> bool {
        self.waits_for_buffer || self.receiver.is_blocked()
    }

    /// Returns whether a data segment waits for a buffer, so that no bytes can be received. The initiator does not
    /// count as idle meanwhile.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.receiver.is_blocked()
    }

    /// Tries again to acquire the buffers that are needed, at time `now`, in microseconds.
    pub fn resume(&mut self, now: u64, buffers: &dyn BufferSource) {
        let was_blocked = self.is_blocked();
        self.waits_for_buffer = false;
        // In CmdSN order: later requests get no buffer while an earlier one waits.
        self.start_ready_tasks(buffers);
        if !self.waits_for_buffer {
            self.unblock(buffers);
        }
        if was_blocked {
            (self.last_received, self.nop_in_sent) = (now, false);
        }
    }

    /// Returns whether the connection is to be closed once its output is sent.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing)
    }

    /// Returns whether the connection is in the full feature phase.
    #[must_use]
    pub const fn is_full_feature(&self) -> bool {
        matches!(self.phase, Phase::FullFeature { .. })
    }

    /// Returns the number of commands that the owner runs, including aborted ones.
    #[must_use]
    pub fn running_commands(&self) -> usize {
        self.tasks.values().filter(|task| task.is_running()).count()
    }

    /// Returns the time, in microseconds, at which [`Self::handle_timeout`] is due. `u64::MAX`: no timer runs.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        match &self.phase {
            // Input cannot be received, so the initiator does not count as idle.
            Phase::FullFeature { .. } if self.is_blocked() => u64::MAX,
            Phase::FullFeature { discovery: true, .. } => self.last_received + self.config.limits.discovery_timeout_us,
            Phase::Login(login) | Phase::AwaitingAccept(login) => login.started + self.config.limits.login_timeout_us,
            Phase::FullFeature { .. } => {
                self.last_received + self.config.limits.idle_timeout_us * if self.nop_in_sent { 2 } else { 1 }
            }
            Phase::Closing => self.last_received + self.config.limits.login_timeout_us,
        }
    }

    /// Restarts the idle timer at time `now`, in microseconds, because the initiator takes output. No effect while the
    /// response to a NOP-In is outstanding.
    pub const fn record_send_progress(&mut self, now: u64) {
        if !self.nop_in_sent {
            self.last_received = now;
        }
    }

    /// Handles timers at time `now`, in microseconds: sends a NOP-In to an idle initiator; closes the connection if a
    /// login takes too long, a NOP-In gets no response, or a discovery session is idle.
    pub fn handle_timeout(&mut self, now: u64, buffers: &dyn BufferSource) {
        if now < self.deadline() {
            return;
        }
        match self.phase {
            Phase::FullFeature { discovery: false, .. } if !self.nop_in_sent => {
                self.send_nop_in(buffers);
                self.nop_in_sent = true;
            }
            _ => {
                self.transmitter.clear(buffers);
                self.phase = Phase::Closing;
            }
        }
    }

    /// Closes the connection at once and releases all buffers except those of running commands.
    pub fn abort(&mut self, buffers: &dyn BufferSource) {
        self.phase = Phase::Closing;
        self.transmitter.clear(buffers);
        for (_, task) in self.tasks.drain() {
            release_wiped(task.buffer, buffers);
        }
        while let Some((_, request)) = self.out_of_order.pop_first() {
            release_wiped(request.data, buffers);
        }
        for event in self.events.drain(..) {
            if let ConnectionEvent::NopOut(request) = event {
                buffers.release(request.data);
            }
        }
        self.receiver.abort(buffers);
    }

    /// Returns ExpCmdSN and MaxCmdSN for a PDU of the target.
    const fn sequence_numbers(&self) -> (u32, u32) {
        (self.exp_cmd_sn, self.max_cmd_sn)
    }

    /// Returns StatSN for a PDU. `uses`: the PDU carries status, so StatSN advances.
    const fn take_stat_sn(&mut self, uses: bool) -> u32 {
        let current = self.stat_sn;
        if uses {
            self.stat_sn = current.wrapping_add(1);
        }
        current
    }

    /// Raises MaxCmdSN as far as the tasks in flight and the buffered data-out allow. MaxCmdSN never decreases.
    fn open_window(&mut self) {
        let limits = &self.config.limits;
        let in_flight = self.tasks.values().filter(|task| !task.immediate).count();
        let tasks = limits.command_window.saturating_sub(u32::try_from(in_flight).unwrap_or(u32::MAX));
        let bursts =
            limits.data_out_bytes.saturating_sub(self.data_out_buffered) / (self.params.first_burst as usize).max(1);
        let free = tasks.min(u32::try_from(bursts).unwrap_or(u32::MAX));
        let max = self.exp_cmd_sn.wrapping_add(free).wrapping_sub(1);
        if serial_before(self.max_cmd_sn, max) {
            self.max_cmd_sn = max;
        }
    }
}
