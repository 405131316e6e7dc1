//! The login phase: collects login requests, moves through the stages, and requests the owner to accept the session.

use super::receive::SegmentDestination;
use super::{Connection, ConnectionEvent, LoginRequest, Phase, RejectedLogin};
use crate::buffers::BufferSource;
use crate::login::{Login, LoginStatus, Stage};
use crate::wire::{self, BasicHeader, CONTINUE_FLAG, FINAL_FLAG, LoginResponse, Opcode, as_layout};
use scsi_core::nexus::NexusId;
use zerocopy::IntoBytes;

/// Maximum number of requests of one login, and of bytes of keys in one request, as RFC 7143 §6.2 requires of targets.
const REQUESTS: u32 = 50;
const KEYS: usize = 16 * 1024;

pub(super) struct LoginPhase {
    pub(super) started: u64,
    login: Login,
    text: Vec<u8>,
    requests: u32,
    /// The current stage; `None` before the first response.
    stage: Option<Stage>,
    /// Header of the request for the full feature phase, and the keys of its response.
    final_request: Option<(wire::Login, Vec<u8>)>,
}

impl LoginPhase {
    pub(super) fn new(random: [u8; 32], now: u64) -> Self {
        Self {
            started: now,
            login: Login::new(random),
            text: Vec::new(),
            requests: 0,
            stage: None,
            final_request: None,
        }
    }
}

impl Connection {
    /// Processes a PDU of the login phase. Anything but a login request closes the connection.
    pub(super) fn login_pdu(
        &mut self,
        header: &BasicHeader,
        destination: SegmentDestination,
        len: usize,
        buffers: &dyn BufferSource,
    ) {
        let mut bytes = [0; wire::BHS];
        bytes.copy_from_slice(header.as_bytes());
        let request: wire::Login = as_layout(&bytes);
        let Phase::Login(phase) = &mut self.phase else { return };
        if header.opcode() != Opcode::LOGIN {
            self.phase = Phase::Closing;
            return;
        }
        phase.requests += 1;
        if let SegmentDestination::Own(buffer) = destination {
            phase.text.extend_from_slice(buffer.get(..len).unwrap_or_default());
            buffers.release(buffer);
        }
        if phase.requests == 1 {
            self.exp_cmd_sn = request.cmd_sn.get();
            self.max_cmd_sn = self.exp_cmd_sn;
            self.stat_sn = request.exp_stat_sn.get();
        }
        let too_much = phase.requests > REQUESTS || phase.text.len() > KEYS;
        if request.version_min > 0 {
            self.send_login_reject(&request, LoginStatus::VERSION);
        } else if too_much {
            self.send_login_reject(&request, LoginStatus::OUT_OF_RESOURCES);
        } else if request.flags & CONTINUE_FLAG != 0 {
            self.send_login_response(
                &request,
                Stage::from_bits(request.flags >> 2).unwrap_or(Stage::Security),
                None,
                Vec::new(),
                0,
            );
        } else {
            self.login_request(&request);
        }
    }

    fn login_request(&mut self, request: &wire::Login) {
        let Phase::Login(phase) = &mut self.phase else { return };
        let keys = std::mem::take(&mut phase.text);
        let transit = request.flags & FINAL_FLAG != 0;
        let stages = (Stage::from_bits(request.flags >> 2), Stage::from_bits(request.flags));
        let (current, next) = match stages {
            (Some(current), _) if !transit && current != Stage::FullFeature => (current, None),
            (Some(current), Some(next)) if current.bits() < next.bits() => (current, Some(next)),
            _ => return self.send_login_reject(request, LoginStatus::INVALID_DURING_LOGIN),
        };
        if phase.stage.is_some_and(|stage| stage != current) {
            return self.send_login_reject(request, LoginStatus::INVALID_DURING_LOGIN);
        }
        let to_full = next == Some(Stage::FullFeature);
        let response = match phase.login.handle_request(&self.config, current, to_full, &keys) {
            Ok(response) => response,
            Err(refusal) => return self.send_login_reject(request, refusal),
        };
        let granted = next.filter(|_| current != Stage::Security || phase.login.authenticated(&self.config));
        phase.stage = Some(granted.unwrap_or(current));
        if granted != Some(Stage::FullFeature) {
            return self.send_login_response(request, current, granted, response, 0);
        }
        let event = LoginRequest {
            initiator: phase.login.initiator.clone(),
            target: phase.login.target.clone(),
            isid: request.isid,
            tsih: request.tsih.get(),
            cid: request.cid.get(),
            discovery: phase.login.discovery,
        };
        phase.final_request = Some((*request, response));
        self.isid = request.isid;
        let Phase::Login(phase) = std::mem::replace(&mut self.phase, Phase::Closing) else { return };
        self.phase = Phase::AwaitingAccept(phase);
        self.events.push_back(ConnectionEvent::Login(event));
    }

    /// Accepts a login after [`ConnectionEvent::Login`]: `tsih` is the non-zero handle of the session. Sends the final
    /// login response; the full feature phase begins.
    pub fn accept_login(&mut self, tsih: u16, nexus: NexusId) {
        let Phase::AwaitingAccept(phase) = &mut self.phase else { return };
        let Some((request, response)) = phase.final_request.take() else { return };
        let (params, discovery) = (phase.login.params, phase.login.discovery);
        self.target.clone_from(&phase.login.target);
        self.nexus = nexus;
        let current = Stage::from_bits(request.flags >> 2).unwrap_or(Stage::Operational);
        self.params = params;
        self.open_window();
        // The last response belongs to the login phase: digests are used after it.
        self.send_login_response(&request, current, Some(Stage::FullFeature), response, tsih);
        self.phase = Phase::FullFeature { discovery, cid: request.cid.get() };
    }

    /// Rejects a login after [`ConnectionEvent::Login`]: sends a login response with this status and closes the
    /// connection.
    pub fn reject_login(&mut self, refusal: LoginStatus) {
        if let Phase::AwaitingAccept(phase) = &mut self.phase
            && let Some((request, _)) = phase.final_request.take()
        {
            self.send_login_reject(&request, refusal);
        }
    }

    fn send_login_reject(&mut self, request: &wire::Login, refusal: LoginStatus) {
        let LoginStatus(class, detail) = refusal;
        if let Phase::Login(phase) | Phase::AwaitingAccept(phase) = &mut self.phase {
            let (initiator, reason) = (phase.login.initiator.clone(), std::mem::take(&mut phase.login.reason));
            self.events.push_back(ConnectionEvent::LoginRejected(RejectedLogin { initiator, refusal, reason }));
        }
        let mut header = self.login_response(request);
        (header.status_class, header.status_detail) = (class, detail);
        self.send(&header, None, 0);
        self.phase = Phase::Closing;
    }

    fn login_response(&mut self, request: &wire::Login) -> LoginResponse {
        let mut header: LoginResponse = wire::with_opcode(Opcode::LOGIN_RESPONSE);
        (header.isid, header.itt) = (request.isid, request.itt);
        let (exp, max) = self.sequence_numbers();
        (header.exp_cmd_sn, header.max_cmd_sn) = (exp.into(), max.into());
        header.stat_sn = self.take_stat_sn(true).into();
        header
    }

    fn send_login_response(
        &mut self,
        request: &wire::Login,
        current: Stage,
        next: Option<Stage>,
        keys: Vec<u8>,
        tsih: u16,
    ) {
        let mut header = self.login_response(request);
        header.flags = (current.bits() << 2) | next.map_or(0, |next| FINAL_FLAG | next.bits());
        header.tsih = tsih.into();
        let len = keys.len();
        wire::set_data_length(&mut header.data_length, len);
        self.send(&header, (len > 0).then_some(keys), len);
    }
}
