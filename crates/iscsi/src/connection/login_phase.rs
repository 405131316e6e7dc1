//! Logging in: requests gathered, stages moved through, and the session asked of the owner.

use super::receive::Sink;
use super::{Connection, Event, LoginRequest, Phase, RefusedLogin};
use crate::login::{Login, Refusal, Stage};
use crate::pool::Pool;
use crate::wire::{self, Basic, CONTINUE, FINAL, LoginResponse, Opcode, layout};
use zerocopy::IntoBytes;

/// Requests that one login may take, and bytes of keys in one of them: what RFC 7143 §6.2 has every target take.
const REQUESTS: u32 = 50;
const KEYS: usize = 16 * 1024;

pub(super) struct LoginPhase {
    pub(super) started: u64,
    login: Login,
    gathered: Vec<u8>,
    requests: u32,
    /// The stage that was reached, once there is one.
    reached: Option<Stage>,
    /// Header of the request that asked for full feature, and the keys of its answer.
    last: Option<(wire::Login, Vec<u8>)>,
}

impl LoginPhase {
    pub(super) fn new(random: [u8; 32], now: u64) -> Self {
        Self { started: now, login: Login::new(random), gathered: Vec::new(), requests: 0, reached: None, last: None }
    }
}

impl Connection {
    /// A PDU before full feature: only a login request is one.
    pub(super) fn login_pdu(&mut self, header: &Basic, sink: Sink, len: usize, pool: &dyn Pool) {
        let mut bytes = [0; wire::BHS];
        bytes.copy_from_slice(header.as_bytes());
        let request: wire::Login = layout(&bytes);
        let Phase::Login(phase) = &mut self.phase else { return };
        if header.opcode() != Opcode::LOGIN {
            self.phase = Phase::Closing;
            return;
        }
        phase.requests += 1;
        if let Sink::Own(buffer) = sink {
            phase.gathered.extend_from_slice(buffer.get(..len).unwrap_or_default());
            pool.give(buffer);
        }
        if phase.requests == 1 {
            self.exp_cmd_sn = request.cmd_sn.get();
            self.max_cmd_sn = self.exp_cmd_sn;
            self.stat_sn = request.exp_stat_sn.get();
        }
        let too_much = phase.requests > REQUESTS || phase.gathered.len() > KEYS;
        if request.version_min > 0 {
            self.refuse_with(&request, Refusal::VERSION);
        } else if too_much {
            self.refuse_with(&request, Refusal::OUT_OF_RESOURCES);
        } else if request.flags & CONTINUE != 0 {
            self.answer_login(
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
        let keys = std::mem::take(&mut phase.gathered);
        let transit = request.flags & FINAL != 0;
        let stages = (Stage::from_bits(request.flags >> 2), Stage::from_bits(request.flags));
        let (current, next) = match stages {
            (Some(current), _) if !transit && current != Stage::FullFeature => (current, None),
            (Some(current), Some(next)) if current.bits() < next.bits() => (current, Some(next)),
            _ => return self.refuse_with(request, Refusal::INVALID_DURING_LOGIN),
        };
        if phase.reached.is_some_and(|reached| reached != current) {
            return self.refuse_with(request, Refusal::INVALID_DURING_LOGIN);
        }
        let to_full = next == Some(Stage::FullFeature);
        let answer = match phase.login.request(&self.config, current, to_full, &keys) {
            Ok(answer) => answer,
            Err(refusal) => return self.refuse_with(request, refusal),
        };
        let moves = next.filter(|_| current != Stage::Security || phase.login.authenticated(&self.config));
        phase.reached = Some(moves.unwrap_or(current));
        if moves != Some(Stage::FullFeature) {
            return self.answer_login(request, current, moves, answer, 0);
        }
        let event = LoginRequest {
            initiator: phase.login.initiator.clone(),
            target: phase.login.target.clone(),
            isid: request.isid,
            tsih: request.tsih.get(),
            cid: request.cid.get(),
            discovery: phase.login.discovery,
        };
        phase.last = Some((*request, answer));
        self.isid = request.isid;
        let Phase::Login(phase) = std::mem::replace(&mut self.phase, Phase::Closing) else { return };
        self.phase = Phase::Admission(phase);
        self.events.push_back(Event::Login(event));
    }

    /// The owner grants the session, under this handle.
    pub fn admit(&mut self, tsih: u16) {
        let Phase::Admission(phase) = &mut self.phase else { return };
        let Some((request, answer)) = phase.last.take() else { return };
        let (params, discovery) = (phase.login.params, phase.login.discovery);
        self.target.clone_from(&phase.login.target);
        let current = Stage::from_bits(request.flags >> 2).unwrap_or(Stage::Operational);
        self.params = params;
        self.open_window();
        // The last response belongs to the login phase: digests begin behind it.
        self.answer_login(&request, current, Some(Stage::FullFeature), answer, tsih);
        self.phase = Phase::Full { discovery, cid: request.cid.get() };
    }

    /// The owner refuses the session.
    pub fn refuse(&mut self, refusal: Refusal) {
        if let Phase::Admission(phase) = &mut self.phase
            && let Some((request, _)) = phase.last.take()
        {
            self.refuse_with(&request, refusal);
        }
    }

    fn refuse_with(&mut self, request: &wire::Login, refusal: Refusal) {
        let Refusal(class, detail) = refusal;
        if let Phase::Login(phase) | Phase::Admission(phase) = &mut self.phase {
            let (initiator, reason) = (phase.login.initiator.clone(), std::mem::take(&mut phase.login.reason));
            self.events.push_back(Event::LoginRefused(RefusedLogin { initiator, refusal, reason }));
        }
        let mut header = self.login_response(request);
        (header.status_class, header.status_detail) = (class, detail);
        self.send(&header, None, 0);
        self.phase = Phase::Closing;
    }

    fn login_response(&mut self, request: &wire::Login) -> LoginResponse {
        let mut header: LoginResponse = wire::empty(Opcode::LOGIN_RESPONSE);
        (header.isid, header.itt) = (request.isid, request.itt);
        let (exp, max) = self.numbers();
        (header.exp_cmd_sn, header.max_cmd_sn) = (exp.into(), max.into());
        header.stat_sn = self.take_stat_sn(true).into();
        header
    }

    fn answer_login(&mut self, request: &wire::Login, current: Stage, next: Option<Stage>, keys: Vec<u8>, tsih: u16) {
        let mut header = self.login_response(request);
        header.flags = (current.bits() << 2) | next.map_or(0, |next| FINAL | next.bits());
        header.tsih = tsih.into();
        let len = keys.len();
        wire::set_data_length(&mut header.data_length, len);
        self.send(&header, (len > 0).then_some(keys), len);
    }
}
