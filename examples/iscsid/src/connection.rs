//! The thread of one connection: moves bytes between the socket and the protocol, and commands between the protocol and
//! the units.

use crate::buffers::ConnectionBuffers;
use crate::sessions::{GrantedSession, Mailbox, Sessions};
use iscsi::config::TargetConfig;
use iscsi::connection::Slices;
use iscsi::connection::{
    Connection, ConnectionEvent, LoginRequest, RejectedCommand, RejectedLogin, TaskFunction, TaskManagement,
};
use iscsi::login::LoginStatus;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use scsi_core::fault::FaultEvent;
use scsi_core::nexus::NexusId;
use scsi_core::target::{Command, CompletedCommand, Request, Tag};
use scsi_core::time::Instant;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use vtl::budget::Budget;
use vtl::events::{Cause, Event, Subject};
use vtl::site::Site;
use vtl::target::{Target, TaskFunction as UnitFunction};
use vtl::unit::{CompletionHandler, Submitted};

/// Size in bytes of the buffer through which small PDUs are read, many at a time.
const READ_AHEAD: usize = 32 * 1024;
/// Payloads of at least this size, in bytes, are read directly into the buffer of their command.
const DIRECT_READ_MIN: usize = 32 * 1024;

/// Microseconds after which a connection that waits for memory reclaims it from stalled initiators.
const RETRY_US: u64 = 1_000_000;

/// A task management request whose tasks are still running.
struct PendingTaskManagement {
    tag: u32,
    tasks: Vec<Tag>,
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
    unread: std::ops::Range<usize>,
    /// When bytes were last read or sent.
    moved: u64,
    /// The last read emptied the socket, so the thread polls before the next one.
    socket_empty: bool,
    drops_others: bool,
}

/// Serves a connection until it closes.
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
    let mut protocol = Connection::new(Arc::clone(config), portal, random, site.clock().monotonic().0);
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
        unread: 0..0,
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
    /// Ends the session, however the thread ends.
    fn drop(&mut self) {
        self.protocol.abort(&self.buffers);
        // Released before the session ends: the login that replaces it may be waiting for that.
        self.buffers.account = None;
        self.end_session();
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() }
}

impl ConnectionServer<'_> {
    /// Ends the session, if there is one. After this returns, every unit processes the I_T nexus loss before its next
    /// command.
    fn end_session(&mut self) {
        if let Some((granted, target)) = self.session.take() {
            self.sessions.logout(&target, &granted);
        }
    }

    fn run(&mut self) -> io::Result<()> {
        loop {
            self.collect_completed();
            if self.mailbox.is_lost() {
                return Ok(());
            }
            if let Some(until) = self.mailbox.cut_until(|| self.now()) {
                if self.protocol.is_closing() || self.mailbox.is_closing() {
                    return Ok(());
                }
                self.wait_for_link(until)?;
                continue;
            }
            self.protocol.set_holds_nop_outs(self.site.has_nop_out_faults());
            self.retry_memory();
            let fed = self.feed();
            self.handle_events();
            // A command may have cut the link: then its response does not pass either.
            if (fed && self.wants_input()) || self.mailbox.cut_until(|| self.now()).is_some() {
                continue;
            }
            let closing = self.mailbox.is_closing();
            if closing {
                self.protocol.request_logout(0);
            }
            let drained = self.flush()?;
            if closing || (drained && self.protocol.is_closing()) {
                return Ok(());
            }
            // Sending may have freed space for commands.
            if self.protocol.has_events() || (self.wants_input() && !self.unread.is_empty()) {
                continue;
            }
            if self.wants_input() && !self.socket_empty && self.read()? {
                continue;
            }
            self.wait(!drained)?;
        }
    }

    /// The monotonic time of the site, in microseconds.
    fn now(&self) -> u64 {
        self.site.clock().monotonic().0
    }

    /// Whether the protocol accepts more bytes from the initiator.
    fn wants_input(&self) -> bool {
        !self.protocol.output_is_full() && !self.protocol.is_closing() && !self.protocol.is_blocked()
    }

    /// Resumes commands that wait for buffer memory.
    fn retry_memory(&mut self) {
        if self.protocol.needs_buffers() {
            self.protocol.resume(self.now(), &self.buffers);
        }
        if let Some(account) = self.buffers.account.as_ref().filter(|_| !self.protocol.needs_buffers()) {
            account.cancel_wait();
        }
    }

    /// Passes bytes of the read-ahead buffer to the protocol. Returns whether there were any.
    fn feed(&mut self) -> bool {
        let unread = self.read_ahead.get(self.unread.clone()).unwrap_or_default();
        let space = self.protocol.receive_buffer();
        let len = unread.len().min(space.len());
        if len == 0 {
            return false;
        }
        if let (Some(to), Some(from)) = (space.get_mut(..len), unread.get(..len)) {
            to.copy_from_slice(from);
        }
        self.unread.start += len;
        // The time of the read that brought these bytes: one reading of the clock for all PDUs in them.
        self.protocol.received(len, self.moved, &self.buffers);
        true
    }

    /// Reads from the socket, large payloads directly into their buffer. Returns whether to continue without polling.
    fn read(&mut self) -> io::Result<bool> {
        if !self.unread.is_empty() {
            return Ok(false);
        }
        let space = self.protocol.receive_buffer();
        let (direct, capacity) = (space.len() >= DIRECT_READ_MIN, space.len().max(READ_AHEAD));
        let result = if direct { self.stream.read(space) } else { self.stream.read(&mut self.read_ahead) };
        match result {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => {
                self.mailbox.count_received(len);
                self.moved = self.now();
                // A short read has emptied the socket.
                self.socket_empty = len < if direct { capacity } else { READ_AHEAD };
                if direct {
                    self.protocol.received(len, self.moved, &self.buffers);
                } else {
                    self.unread = 0..len;
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

    /// Sends pending output until the socket would block. Returns whether everything was sent.
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
            self.mailbox.count_sent(sent);
            self.protocol.sent(sent, &self.buffers);
            self.moved = self.now();
            self.protocol.record_send_progress(self.moved);
        }
        Ok(true)
    }

    /// Waits for the end of a cut link, the mailbox, or the next deadline of the protocol, which cannot see the cut.
    fn wait_for_link(&mut self, until: u64) -> io::Result<()> {
        let until = until.min(self.protocol.deadline());
        let timeout = self.site.clock().timeout(Instant(until)).map(timespec);
        match poll(&mut [PollFd::new(self.mailbox.wake(), PollFlags::IN)], timeout.as_ref()) {
            Ok(_) => self.protocol.handle_timeout(self.now(), &self.buffers),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.moved = self.now();
        Ok(())
    }

    /// Waits for the socket, the mailbox or the next deadline of the protocol.
    fn wait(&mut self, to_send: bool) -> io::Result<()> {
        let now = self.now();
        let mut until = self.protocol.deadline();
        let (blocked, waits) = (self.protocol.is_blocked(), self.protocol.needs_buffers());
        if let Some(account) = &self.buffers.account {
            let idle = || !waits && self.protocol.running_commands() == 0;
            account.set_stalled(|| to_send || idle(), now);
            account.set_moved(self.moved);
            if waits {
                self.budget.reclaim(now);
                until = until.min(now.saturating_add(RETRY_US));
            }
        }
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, self.wants_input());
        wanted.set(PollFlags::OUT, to_send);
        // While reading is blocked, only RDHUP shows that the initiator has closed the connection.
        wanted.set(PollFlags::RDHUP, blocked);
        let mut fds = [PollFd::new(&self.stream, wanted), PollFd::new(self.mailbox.wake(), PollFlags::IN)];
        let timeout = self.site.clock().timeout(Instant(until)).map(timespec);
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {
                let [socket, _] = &fds;
                if blocked && socket.revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::RDHUP) {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                self.socket_empty = socket.revents().is_empty();
                // Input is processed before a timeout is declared.
                if self.socket_empty {
                    self.protocol.handle_timeout(self.now(), &self.buffers);
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
                    // A discovery session has no commands, and so no I_T nexus.
                    self.protocol.accept_login(self.sessions.discovery_tsih(), NexusId(0))
                }
                ConnectionEvent::Login(request) => self.log_in(&request),
                ConnectionEvent::TaskManagement(request) => self.task_management(request),
                ConnectionEvent::Logout => {
                    // An account that unsent output is charged to stays open until the connection closes.
                    self.buffers.account.take_if(|account| account.is_empty());
                    self.end_session();
                    self.protocol.finish_logout();
                }
                ConnectionEvent::NopOut(request) => {
                    let initiator = self.session.as_ref().map_or("", |(granted, _)| granted.initiator());
                    if self.site.ignores_nop_out(initiator) {
                        self.protocol.ignore_nop_out(request, &self.buffers);
                    } else {
                        self.protocol.respond_nop_out(request, &self.buffers);
                    }
                }
                ConnectionEvent::LoginRejected(rejected) => self.log_refusal(&rejected),
                ConnectionEvent::CommandRejected(rejected) => self.record_rejected(&rejected),
            }
        }
    }

    fn record_rejected(&self, rejected: &RejectedCommand) {
        let RejectedCommand { nexus, lun, tag, cdb, completion } = rejected;
        if let Some((_, target)) = &self.session {
            let now = self.site.clock().now();
            target.record_rejected(&Request { lun: *lun, tag: *tag, ..Request::new(*nexus, cdb, now) }, completion);
        }
    }

    fn log_refusal(&self, rejected: &RejectedLogin) {
        let RejectedLogin { initiator, refusal: LoginStatus(class, detail), reason } = rejected;
        let status = format!("{class:02x}{detail:02x}");
        self.sessions.count_refusal(&status);
        if let Some(suppressed) = self.sessions.login_log_limit.admit(self.now()) {
            tracing::warn!(peer = %self.peer, ?initiator, status, reason, suppressed, "login refused");
            // Limited with the log, so that refused logins do not displace other events.
            let subject = Subject::new(Cause::host(Some(initiator.clone()).filter(|name| !name.is_empty())));
            let (peer, reason) = (self.peer.to_string(), reason.clone());
            self.site.record(subject, Event::LoginRefused { peer, status, reason, suppressed });
        }
    }

    fn log_in(&mut self, request: &LoginRequest) {
        let Some(target) = self.site.target(&request.target) else {
            return self.protocol.reject_login(LoginStatus::NOT_FOUND);
        };
        let open = || {
            let account = self.budget.open_account(Arc::clone(self.mailbox) as _);
            if account.is_none() {
                self.sessions.log_connection(
                    self.peer.ip(),
                    "refused: no memory for another session; increase iscsi.buffer_memory",
                );
            }
            account
        };
        match self.sessions.login(&target, request, self.peer, self.mailbox, open) {
            Ok((granted, account)) => {
                self.buffers.account = Some(account);
                self.protocol.accept_login(granted.tsih, granted.nexus);
                self.session = Some((granted, target));
            }
            Err(refusal) => self.protocol.reject_login(refusal),
        }
    }

    fn command(&mut self, command: Command) {
        self.mailbox.count_command();
        let submitted = match &self.session {
            Some((_, target)) => target.submit(command, &self.reply),
            None => Submitted::Completed(command.abort()),
        };
        if let Submitted::Completed(finished) = submitted {
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
        let tag = finished.tag;
        match finished.completion.event {
            Some(FaultEvent::LoseSession) => {
                tracing::info!(peer = %self.peer, "session lost, by an injected fault");
                self.mailbox.lose();
            }
            Some(FaultEvent::CutLink(outage)) => {
                tracing::info!(peer = %self.peer, outage_ms = outage.as_millis(), "link cut, by an injected fault");
                self.sessions.cut_link(self.mailbox.address(), outage);
            }
            _ => {}
        }
        self.protocol.complete_command(finished, &self.buffers);
        for pending in &mut self.pending {
            pending.tasks.retain(|task| *task != tag);
        }
        while let Some(at) = self.pending.iter().position(|pending| pending.tasks.is_empty()) {
            let pending = self.pending.swap_remove(at);
            self.protocol.task_management_done(pending.tag, 0);
        }
    }

    /// Aborts tasks at the units at once; the response is sent when all affected tasks have ended.
    fn task_management(&mut self, request: TaskManagement) {
        const NO_SUCH_LUN: u8 = 2;
        let Some((nexus, target)) = self.session.as_ref().map(|(granted, target)| (granted.nexus, target)) else {
            return;
        };
        let TaskManagement { tag, function, lun, tasks } = request;
        let function_of_target = match function {
            TaskFunction::AbortTask => UnitFunction::AbortTask,
            TaskFunction::AbortTaskSet => UnitFunction::AbortTaskSet,
            TaskFunction::ClearTaskSet => UnitFunction::ClearTaskSet,
            TaskFunction::LunReset => UnitFunction::UnitReset,
            TaskFunction::WarmReset | TaskFunction::ColdReset => UnitFunction::TargetReset,
        };
        match function_of_target {
            UnitFunction::AbortTask | UnitFunction::AbortTaskSet => {}
            UnitFunction::ClearTaskSet | UnitFunction::UnitReset if target.unit(lun).is_none() => {}
            UnitFunction::ClearTaskSet | UnitFunction::UnitReset => {
                self.sessions.clear_others(self.mailbox, target.name(), Some(lun));
            }
            UnitFunction::TargetReset => self.sessions.clear_others(self.mailbox, target.name(), None),
        }
        if !target.manage_tasks(nexus, function_of_target, lun, &tasks) {
            return self.protocol.task_management_done(tag, NO_SUCH_LUN);
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
