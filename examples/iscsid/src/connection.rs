//! One connection's thread: bytes between the socket and the protocol, commands between the protocol and the library.

use crate::buffers::ConnectionBuffers;
use crate::sessions::{GrantedSession, Mailbox, Sessions};
use iscsi::config::TargetConfig;
use iscsi::connection::Slices;
use iscsi::connection::{
    Command, CommandResponse, Connection, ConnectionEvent, LoginRequest, RejectedLogin, TaskFunction, TaskManagement,
};
use iscsi::login::LoginStatus;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use scsi_core::target::TransportEvent as UnitEvent;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use vtl::budget::Budget;
use vtl::clock;
use vtl::site::Site;
use vtl::target::Target;
use vtl::unit::{CommandRequest, CompletedCommand, CompletionHandler, Submitted};

/// Small PDUs are read through this much memory, many at a time.
const READ_AHEAD: usize = 32 * 1024;
/// A payload of this size is read to where it belongs.
const DIRECT_READ_MIN: usize = 32 * 1024;

/// Microseconds after which a connection that waits for memory looks whether an initiator leaves some in use.
const RETRY_US: u64 = 1_000_000;

/// A task management request whose tasks are still running.
struct PendingTaskManagement {
    tag: u32,
    tasks: Vec<u32>,
}

struct ConnectionServer<'a> {
    stream: TcpStream,
    peer: SocketAddr,
    protocol: Connection,
    site: &'a Site,
    sessions: &'a Sessions,
    mailbox: &'a Arc<Mailbox>,
    reply: Arc<dyn CompletionHandler>,
    budget: &'a Arc<Budget>,
    buffers: ConnectionBuffers,
    session: Option<(GrantedSession, Arc<Target>)>,
    pending: Vec<PendingTaskManagement>,
    completed: Vec<CompletedCommand>,
    read_ahead: Box<[u8]>,
    ahead: std::ops::Range<usize>,
    /// When bytes were last read or sent.
    moved: u64,
    /// The last read emptied the socket, so the next one waits.
    socket_empty: bool,
    drops_others: bool,
}

/// Serves a connection to its end.
pub(crate) fn serve(
    stream: TcpStream,
    site: &Arc<Site>,
    config: &Arc<TargetConfig>,
    sessions: &Sessions,
    budget: &Arc<Budget>,
    mailbox: &Arc<Mailbox>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let local = stream.local_addr()?;
    let peer = stream.peer_addr()?;
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let portal = SocketAddr::new(local.ip().to_canonical(), local.port()).to_string();
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let mut protocol = Connection::new(Arc::clone(config), portal, random, clock::now().mono.0);
    protocol.set_remote(!peer.ip().is_loopback() && peer.ip() != local.ip().to_canonical());
    let mut server = ConnectionServer {
        stream,
        peer,
        protocol,
        site,
        sessions,
        mailbox,
        reply: Arc::clone(mailbox) as Arc<dyn CompletionHandler>,
        budget,
        buffers: ConnectionBuffers::new(Arc::clone(site.buffers())),
        session: None,
        pending: Vec::new(),
        completed: Vec::new(),
        read_ahead: vec![0; READ_AHEAD].into(),
        ahead: 0..0,
        moved: 0,
        socket_empty: true,
        drops_others: false,
    };
    let result = server.run();
    if let Some((_, target)) = server.session.as_ref().filter(|_| server.drops_others) {
        sessions.drop_others(mailbox, target.name());
    }
    result
}

impl Drop for ConnectionServer<'_> {
    /// However the thread ends, the session is given back.
    fn drop(&mut self) {
        self.protocol.abort(&self.buffers);
        // Before the end of the session, for which the login that replaces it may be waiting.
        self.buffers.account = None;
        self.end_session();
    }
}

impl ConnectionServer<'_> {
    /// Ends the session, if there is one. When this returns, every unit applies the loss of the I_T nexus before it runs
    /// another command.
    fn end_session(&mut self) {
        if let Some((granted, target)) = self.session.take() {
            self.sessions.logout(&target, &granted);
        }
    }

    fn run(&mut self) -> io::Result<()> {
        loop {
            self.collect_completed();
            self.retry_memory();
            let fed = self.feed();
            self.handle_events();
            if fed && self.wants_input() {
                continue;
            }
            let ends = self.mailbox.is_closing();
            if ends {
                self.protocol.request_logout(0);
            }
            let drained = self.flush()?;
            if ends || (drained && self.protocol.is_closing()) {
                return Ok(());
            }
            // What was sent may have made place for commands.
            if self.protocol.has_events() || (self.wants_input() && !self.ahead.is_empty()) {
                continue;
            }
            if self.wants_input() && !self.socket_empty && self.read()? {
                continue;
            }
            self.wait(!drained)?;
        }
    }

    /// Whether bytes of the initiator are wanted.
    fn wants_input(&self) -> bool {
        !self.protocol.output_is_full() && !self.protocol.is_closing() && !self.protocol.is_blocked()
    }

    /// What waits for memory asks again.
    fn retry_memory(&mut self) {
        if self.protocol.needs_buffers() {
            self.protocol.resume(clock::now().mono.0, &self.buffers);
        }
        if let Some(account) = self.buffers.account.as_ref().filter(|_| !self.protocol.needs_buffers()) {
            account.cancel_wait();
        }
    }

    /// Gives bytes that were read ahead to the protocol; says whether there were any.
    fn feed(&mut self) -> bool {
        let ahead = self.read_ahead.get(self.ahead.clone()).unwrap_or_default();
        let space = self.protocol.receive_buffer();
        let len = ahead.len().min(space.len());
        if len == 0 {
            return false;
        }
        if let (Some(to), Some(from)) = (space.get_mut(..len), ahead.get(..len)) {
            to.copy_from_slice(from);
        }
        self.ahead.start += len;
        self.protocol.received(len, clock::now().mono.0, &self.buffers);
        true
    }

    /// Reads from the socket, large payloads to where they belong; says whether anything came.
    fn read(&mut self) -> io::Result<bool> {
        if !self.ahead.is_empty() {
            return Ok(false);
        }
        let space = self.protocol.receive_buffer();
        let (direct, room) = (space.len() >= DIRECT_READ_MIN, space.len().max(READ_AHEAD));
        let result = if direct { self.stream.read(space) } else { self.stream.read(&mut self.read_ahead) };
        match result {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => {
                self.moved = clock::now().mono.0;
                // A read that was not filled took all there was.
                self.socket_empty = len < if direct { room } else { READ_AHEAD };
                if direct {
                    self.protocol.received(len, self.moved, &self.buffers);
                } else {
                    self.ahead = 0..len;
                }
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.socket_empty = true;
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Sends what waits, as far as the socket takes it; says whether everything is gone.
    fn flush(&mut self) -> io::Result<bool> {
        while self.protocol.has_output() {
            let mut slices = Slices::new();
            self.protocol.pending_output(&mut slices);
            let written = self.stream.write_vectored(&slices);
            drop(slices);
            let sent = match written {
                Ok(sent) => sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.protocol.sent(sent, &self.buffers);
            self.moved = clock::now().mono.0;
            self.protocol.record_send_progress(self.moved);
        }
        Ok(true)
    }

    /// Waits for the socket, the mailbox, or the time.
    fn wait(&mut self, to_send: bool) -> io::Result<()> {
        let now = clock::now().mono.0;
        let mut left = self.protocol.deadline().saturating_sub(now);
        let (blocked, waits) = (self.protocol.is_blocked(), self.protocol.needs_buffers());
        if let Some(account) = &self.buffers.account {
            let idle = || !waits && self.protocol.running_commands() == 0;
            account.set_stalled(|| to_send || idle(), now);
            account.set_moved(self.moved);
            if waits {
                self.budget.reclaim(now);
                left = left.min(RETRY_US);
            }
        }
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, self.wants_input());
        wanted.set(PollFlags::OUT, to_send);
        // While nothing is read, the end of the connection is not either.
        wanted.set(PollFlags::RDHUP, blocked);
        let mut fds = [PollFd::new(&self.stream, wanted), PollFd::new(self.mailbox.wake(), PollFlags::IN)];
        let seconds = i64::try_from(left / 1_000_000).unwrap_or(i64::MAX);
        let nanoseconds = i64::try_from(left % 1_000_000 * 1000).unwrap_or(0);
        match poll(&mut fds, Some(&Timespec { tv_sec: seconds, tv_nsec: nanoseconds })) {
            Ok(_) => {
                let [socket, _] = &fds;
                if blocked && socket.revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::RDHUP) {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                self.socket_empty = socket.revents().is_empty();
                // What the peer has sent is heard before it is called silent.
                if self.socket_empty {
                    self.protocol.handle_timeout(clock::now().mono.0, &self.buffers);
                }
                Ok(())
            }
            Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn handle_events(&mut self) {
        while let Some(event) = self.protocol.next_event() {
            match event {
                ConnectionEvent::Command(command) => self.command(command),
                ConnectionEvent::Login(request) if request.discovery => {
                    self.protocol.accept_login(self.sessions.discovery_tsih())
                }
                ConnectionEvent::Login(request) => self.log_in(&request),
                ConnectionEvent::TaskManagement(request) => self.task_management(request),
                ConnectionEvent::Logout => {
                    // What waits to be sent is accounted for until the connection ends.
                    self.buffers.account.take_if(|account| account.is_empty());
                    self.end_session();
                    self.protocol.finish_logout();
                }
                ConnectionEvent::LoginRejected(refused) => self.log_refusal(&refused),
            }
        }
    }

    fn log_refusal(&self, refused: &RejectedLogin) {
        let RejectedLogin { initiator, refusal: LoginStatus(class, detail), reason } = refused;
        if let Some(left_out) = self.sessions.login_log_limit.admit(clock::now().mono.0) {
            let status = format!("{class:02x}{detail:02x}");
            tracing::warn!(address = %self.peer, ?initiator, status, reason, left_out, "login refused");
        }
    }

    fn log_in(&mut self, request: &LoginRequest) {
        let Some(target) = self.site.target(&request.target) else {
            return self.protocol.reject_login(LoginStatus::NOT_FOUND);
        };
        let open = || {
            let account = self.budget.open_account(Arc::clone(self.mailbox) as _);
            if account.is_none() {
                self.sessions.log_connection(self.peer.ip(), "no memory for another session, see iscsi.buffer_memory");
            }
            account
        };
        match self.sessions.login(&target, request, self.mailbox, open) {
            Ok((granted, account)) => {
                self.buffers.account = Some(account);
                self.protocol.accept_login(granted.tsih);
                self.session = Some((granted, target));
            }
            Err(refusal) => self.protocol.reject_login(refusal),
        }
    }

    fn command(&mut self, command: Command) {
        let Command { task_tag: task, lun, cdb, data_out, data_out_len: data_len, data_in, data_in_capacity: room } =
            command;
        let Some((granted, target)) = &self.session else {
            return self.protocol.discard_command(task, data_out, data_in, &self.buffers);
        };
        let job = CommandRequest { nexus: granted.nexus, tag: task, cdb, data_out, data_len, data_in, capacity: room };
        if let Submitted::Completed(finished) = target.submit(lun, job, &self.reply) {
            self.send_response(finished);
        }
    }

    fn collect_completed(&mut self) {
        let mut finished = std::mem::take(&mut self.completed);
        self.mailbox.take_completed(&mut finished);
        for done in finished.drain(..) {
            self.send_response(done);
        }
        self.completed = finished;
        for lun in self.mailbox.take_cleared_luns() {
            self.protocol.clear_tasks(lun, &self.buffers);
        }
    }

    fn send_response(&mut self, finished: CompletedCommand) {
        let CompletedCommand { tag, completion, data_in, data_out, aborted } = finished;
        if aborted {
            self.protocol.discard_command(tag, data_out, data_in, &self.buffers);
        } else {
            let answer = CommandResponse {
                status: completion.status.0,
                sense: completion.sense.map(|sense| sense.as_slice().to_vec()).unwrap_or_default(),
                data_in,
                data_in_len: completion.data_in,
                data_in_wanted: completion.data_in_wanted,
                data_out_consumed: completion.data_out,
                data_out_missing: completion.data_out_missing,
                data_out,
            };
            self.protocol.complete_command(tag, answer, &self.buffers);
        }
        for pending in &mut self.pending {
            pending.tasks.retain(|task| *task != tag);
        }
        while let Some(at) = self.pending.iter().position(|pending| pending.tasks.is_empty()) {
            let pending = self.pending.swap_remove(at);
            self.protocol.task_management_done(pending.tag, 0);
        }
    }

    /// Devices are told at once; the answer waits until the tasks that they were running are dead.
    fn task_management(&mut self, request: TaskManagement) {
        const NO_SUCH_LUN: u8 = 2;
        let Some((nexus, target)) = self.session.as_ref().map(|(granted, target)| (granted.nexus, target)) else {
            return;
        };
        let TaskManagement { tag, function, lun, tasks } = request;
        match function {
            TaskFunction::AbortTaskSet if target.unit(lun).is_none() => {
                return self.protocol.task_management_done(tag, NO_SUCH_LUN);
            }
            TaskFunction::AbortTask | TaskFunction::AbortTaskSet => {
                for unit in target.units() {
                    unit.abort(|owner, task| owner == nexus && tasks.contains(&task));
                }
            }
            TaskFunction::ClearTaskSet | TaskFunction::LunReset => {
                let Some(unit) = target.unit(lun) else {
                    return self.protocol.task_management_done(tag, NO_SUCH_LUN);
                };
                self.sessions.clear_others(self.mailbox, target.name(), Some(lun));
                unit.abort(|_, _| true);
                let reset = function == TaskFunction::LunReset;
                unit.post(if reset { UnitEvent::UnitReset } else { UnitEvent::TaskSetCleared(nexus) });
            }
            TaskFunction::WarmReset | TaskFunction::ColdReset => {
                self.sessions.clear_others(self.mailbox, target.name(), None);
                for unit in target.units() {
                    unit.abort(|_, _| true);
                    unit.post(UnitEvent::TargetReset);
                }
            }
        }
        if function == TaskFunction::ColdReset {
            self.protocol.task_management_done(tag, 0);
            self.drops_others = true;
            return self.mailbox.close();
        }
        if tasks.is_empty() {
            self.protocol.task_management_done(tag, 0);
        } else {
            self.pending.push(PendingTaskManagement { tag, tasks });
        }
    }
}
