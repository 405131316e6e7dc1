//! Login negotiation (RFC 7143 §6): authentication, then the operational parameters of the session.

use crate::chap::Algorithm;
use crate::config::{Credentials, PORTAL_GROUP, TargetConfig};
use crate::{name, text};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// Status class and status detail of a login response that rejects the login (RFC 7143 §11.13.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginStatus(pub u8, pub u8);

impl LoginStatus {
    /// Initiator error, 0200h: miscellaneous errors of the initiator.
    pub const INITIATOR_ERROR: Self = Self(2, 0);
    /// Authentication failure, 0201h: CHAP failed, or was required and not used.
    pub const AUTHENTICATION: Self = Self(2, 1);
    /// Authorization failure, 0202h: the initiator may not use the target.
    pub const NOT_ALLOWED: Self = Self(2, 2);
    /// Not found, 0203h: no target has this name.
    pub const NOT_FOUND: Self = Self(2, 3);
    /// Unsupported version, 0205h: the initiator does not support version 0.
    pub const VERSION: Self = Self(2, 5);
    /// Too many connections, 0206h: the session or the target accepts no more.
    pub const TOO_MANY_CONNECTIONS: Self = Self(2, 6);
    /// Missing parameter, 0207h: InitiatorName or TargetName is missing.
    pub const MISSING_PARAMETER: Self = Self(2, 7);
    /// Session does not exist, 020Ah: no session has this TSIH.
    pub const NO_SUCH_SESSION: Self = Self(2, 0x0a);
    /// Invalid request during login, 020Bh: wrong CSG or NSG.
    pub const INVALID_DURING_LOGIN: Self = Self(2, 0x0b);
    /// Out of resources, 0302h: a limit of the target is reached.
    pub const OUT_OF_RESOURCES: Self = Self(3, 2);
}

/// Class and detail in hexadecimal digits, such as `login rejected with status 0201h`.
impl fmt::Display for LoginStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(class, detail) = self;
        write!(f, "login rejected with status {class:02x}{detail:02x}h")
    }
}

impl std::error::Error for LoginStatus {}

/// Operational parameters of a session, as negotiated (RFC 7143 §13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionParams {
    /// HeaderDigest is CRC32C: headers carry digests.
    pub header_digest: bool,
    /// DataDigest is CRC32C: data segments carry digests.
    pub data_digest: bool,
    /// InitialR2T: unsolicited Data-Out PDUs are forbidden.
    pub initial_r2t: bool,
    /// ImmediateData: commands may carry immediate data.
    pub immediate_data: bool,
    /// MaxRecvDataSegmentLength of the initiator, in bytes: 512 to 16,777,215.
    pub max_send_segment: u32,
    /// MaxBurstLength, in bytes: 512 to 16,777,215.
    pub max_burst: u32,
    /// FirstBurstLength, in bytes: 512 to `max_burst`.
    pub first_burst: u32,
    /// MaxOutstandingR2T of one task: 1 to 8.
    pub max_r2t: u32,
}

impl Default for SessionParams {
    fn default() -> Self {
        Self {
            header_digest: false,
            data_digest: false,
            initial_r2t: true,
            immediate_data: true,
            max_send_segment: 8192,
            max_burst: 262_144,
            first_burst: 65_536,
            max_r2t: 1,
        }
    }
}

/// Stage of the login phase, as in CSG and NSG of login PDUs (RFC 7143 §11.12.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// SecurityNegotiation (stage 0): authentication of initiator and target.
    Security,
    /// LoginOperationalNegotiation (stage 1): negotiation of operational parameters.
    Operational,
    /// FullFeaturePhase, stage 3; the login is complete.
    FullFeature,
}

impl Stage {
    /// Returns the stage of the two least significant bits; `None` for the reserved value 2.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits & 3 {
            0 => Some(Self::Security),
            1 => Some(Self::Operational),
            3 => Some(Self::FullFeature),
            _ => None,
        }
    }

    /// Returns the two-bit code of the stage.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Security => 0,
            Self::Operational => 1,
            Self::FullFeature => 3,
        }
    }
}

#[derive(Clone, Debug)]
enum AuthState {
    /// Authentication has not begun.
    Open,
    /// The target has sent a challenge.
    Challenged { algorithm: Algorithm, id: u8, challenge: Vec<u8> },
    /// The initiator has authenticated itself.
    Done,
}

/// The negotiation of one login, from its first request to its last response.
#[derive(Clone, Debug)]
pub struct Login {
    auth: AuthState,
    random: [u8; 32],
    is_first_request: bool,
    /// InitiatorName, normalised; empty before the first request.
    pub initiator: String,
    /// Configured name of the requested target; empty for a discovery session.
    pub target: String,
    /// SessionType is Discovery: the session only lists targets.
    pub discovery: bool,
    /// Operational parameters negotiated so far.
    pub params: SessionParams,
    /// Explanation of a rejected login in addition to its [`LoginStatus`]; may be empty.
    pub reason: String,
    params_declared: bool,
}

impl Login {
    /// Creates a login. `random` becomes the CHAP identifier (one byte) and challenge (31 bytes).
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        let params = SessionParams::default();
        Self {
            auth: AuthState::Open,
            random,
            is_first_request: true,
            initiator: String::new(),
            target: String::new(),
            discovery: false,
            params,
            reason: String::new(),
            params_declared: false,
        }
    }

    /// Processes the keys of one complete request and returns the keys of the response. `stage` is the CSG; `to_full`
    /// is set if the NSG is the full feature phase.
    ///
    /// # Errors
    /// The status to send in the login response before closing.
    pub fn handle_request(
        &mut self,
        config: &TargetConfig,
        stage: Stage,
        to_full: bool,
        data: &[u8],
    ) -> Result<Vec<u8>, LoginStatus> {
        let pairs = text::parse(data).map_err(|error| {
            self.reason = error.to_string();
            LoginStatus::INITIATOR_ERROR
        })?;
        let mut out = Vec::new();
        if self.is_first_request {
            self.identify(config, &pairs, &mut out)?;
            self.is_first_request = false;
        }
        match stage {
            Stage::Security => self.security(config, &pairs, &mut out)?,
            _ if !self.authenticated(config) => return Err(LoginStatus::AUTHENTICATION),
            _ => {}
        }
        // FirstBurstLength is bounded by MaxBurstLength, in any order of the keys.
        let mut pairs = pairs;
        pairs.sort_by_key(|(key, _)| *key == "FirstBurstLength");
        for (key, value) in &pairs {
            self.operational(config, key, value, &mut out);
        }
        if (stage == Stage::Operational || to_full) && !self.params_declared {
            text::push_pair(&mut out, "MaxRecvDataSegmentLength", &config.limits.max_recv_segment.to_string());
            self.params_declared = true;
        }
        self.params.first_burst = self.params.first_burst.min(self.params.max_burst);
        Ok(out)
    }

    fn refusal_with_reason(&mut self, refusal: LoginStatus, reason: &str) -> LoginStatus {
        self.reason = reason.into();
        refusal
    }

    /// Returns whether the initiator may leave the security stage: it has authenticated itself or need not.
    #[must_use]
    pub fn authenticated(&self, config: &TargetConfig) -> bool {
        config.users.is_empty() || matches!(self.auth, AuthState::Done)
    }

    fn identify(
        &mut self,
        config: &TargetConfig,
        pairs: &[(&str, &str)],
        out: &mut Vec<u8>,
    ) -> Result<(), LoginStatus> {
        let find = |wanted: &str| pairs.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value);
        let initiator = find("InitiatorName").filter(|name| !name.is_empty());
        let initiator = initiator
            .ok_or_else(|| self.refusal_with_reason(LoginStatus::MISSING_PARAMETER, "InitiatorName is missing"))?;
        self.initiator = name::check(initiator)
            .map(|()| name::normalised(initiator))
            .and_then(|name| name::check(&name).map(|()| name))
            .map_err(|error| {
                self.refusal_with_reason(LoginStatus::INITIATOR_ERROR, &format!("InitiatorName: {error}"))
            })?;
        self.discovery = match find("SessionType") {
            None | Some("Normal") => false,
            Some("Discovery") => true,
            Some(_) => return Err(LoginStatus::INITIATOR_ERROR),
        };
        if !config.allows(&self.initiator) {
            return Err(self.refusal_with_reason(LoginStatus::NOT_ALLOWED, "the initiator is not in iscsi.initiators"));
        }
        if self.discovery {
            return Ok(());
        }
        let target = find("TargetName")
            .ok_or_else(|| self.refusal_with_reason(LoginStatus::MISSING_PARAMETER, "TargetName is missing"))?;
        name::check(target)
            .map_err(|error| self.refusal_with_reason(LoginStatus::NOT_FOUND, &format!("TargetName: {error}")))?;
        let configured = config.target(target);
        self.target = configured
            .ok_or_else(|| self.refusal_with_reason(LoginStatus::NOT_FOUND, &format!("unknown target {target:?}")))?
            .into();
        text::push_pair(out, "TargetAlias", &config.alias);
        text::push_pair(out, "TargetPortalGroupTag", &PORTAL_GROUP.to_string());
        Ok(())
    }

    fn security(
        &mut self,
        config: &TargetConfig,
        pairs: &[(&str, &str)],
        out: &mut Vec<u8>,
    ) -> Result<(), LoginStatus> {
        let find = |wanted: &str| pairs.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value);
        if let Some(methods) = find("AuthMethod") {
            let wanted = if config.users.is_empty() { "None" } else { "CHAP" };
            if !methods.split(',').any(|method| method.trim() == wanted) {
                return Err(LoginStatus::AUTHENTICATION);
            }
            text::push_pair(out, "AuthMethod", wanted);
        }
        if config.users.is_empty() {
            return Ok(());
        }
        if let Some(algorithms) = find("CHAP_A") {
            let algorithm = Algorithm::strongest(algorithms).ok_or(LoginStatus::AUTHENTICATION)?;
            let [id, challenge @ ..] = self.random;
            text::push_pair(out, "CHAP_A", algorithm.number());
            text::push_pair(out, "CHAP_I", &id.to_string());
            text::push_pair(out, "CHAP_C", &text::to_hex(&challenge));
            self.auth = AuthState::Challenged { algorithm, id, challenge: challenge.to_vec() };
        } else if let Some(name) = find("CHAP_N") {
            let response = find("CHAP_R").and_then(text::parse_binary).ok_or(LoginStatus::AUTHENTICATION)?;
            self.verify_response(config, name, &response, (find("CHAP_I"), find("CHAP_C")), out)?;
        }
        Ok(())
    }

    /// Verifies the initiator's CHAP response, and responds to its challenge in mutual CHAP.
    fn verify_response(
        &mut self,
        config: &TargetConfig,
        name: &str,
        response: &[u8],
        offered: (Option<&str>, Option<&str>),
        out: &mut Vec<u8>,
    ) -> Result<(), LoginStatus> {
        let AuthState::Challenged { algorithm, id, challenge } = std::mem::replace(&mut self.auth, AuthState::Open)
        else {
            return Err(LoginStatus::AUTHENTICATION);
        };
        let user = config.users.iter().find(|user| user.name == name);
        let verifies = |user: &Credentials| algorithm.verify(id, user.secret.0.as_bytes(), &challenge, response);
        if !user.is_some_and(verifies) {
            return Err(self.refusal_with_reason(
                LoginStatus::AUTHENTICATION,
                &format!("CHAP authentication failed for user {name:?}"),
            ));
        }
        if let (Some(initiator_id), Some(initiator_challenge)) = offered {
            let mutual = config.mutual.as_ref().ok_or(LoginStatus::AUTHENTICATION)?;
            let initiator_id = text::parse_number(initiator_id)
                .and_then(|id| u8::try_from(id).ok())
                .ok_or(LoginStatus::AUTHENTICATION)?;
            let initiator_challenge = text::parse_binary(initiator_challenge).ok_or(LoginStatus::AUTHENTICATION)?;
            let reflected: bool = initiator_challenge.ct_eq(&challenge).into();
            if reflected || initiator_challenge.len() > 1024 {
                return Err(LoginStatus::AUTHENTICATION);
            }
            text::push_pair(out, "CHAP_N", &mutual.name);
            let answer = algorithm.response(initiator_id, mutual.secret.0.as_bytes(), &initiator_challenge);
            text::push_pair(out, "CHAP_R", &text::to_hex(&answer));
        }
        self.auth = AuthState::Done;
        Ok(())
    }

    /// Negotiates one operational key. Keys of identification and security are ignored: they were processed before.
    fn operational(&mut self, config: &TargetConfig, key: &str, value: &str, out: &mut Vec<u8>) {
        let params = &mut self.params;
        let limits = &config.limits;
        let mut answer = |value: &str| text::push_pair(out, key, value);
        let mut negotiate_min =
            |slot: &mut u32, limit: u32, range: std::ops::RangeInclusive<u32>| match text::parse_number(value)
                .filter(|number| range.contains(number))
            {
                Some(offered) => {
                    *slot = offered.min(limit);
                    answer(&slot.to_string());
                }
                None => answer("Reject"),
            };
        match key {
            "MaxBurstLength" => negotiate_min(&mut params.max_burst, limits.max_burst, 512..=0x00ff_ffff),
            "FirstBurstLength" => {
                negotiate_min(&mut params.first_burst, limits.first_burst.min(params.max_burst), 512..=0x00ff_ffff);
            }
            "MaxOutstandingR2T" => negotiate_min(&mut params.max_r2t, 8, 1..=65_535),
            "MaxConnections" => negotiate_min(&mut 0, 1, 1..=65_535),
            "DefaultTime2Retain" => negotiate_min(&mut 0, 0, 0..=3600),
            "ErrorRecoveryLevel" => negotiate_min(&mut 0, 0, 0..=2),
            "iSCSIProtocolLevel" => negotiate_min(&mut 0, 1, 0..=31),
            "MaxRecvDataSegmentLength" => {
                match text::parse_number(value).filter(|len| (512..=0x00ff_ffff).contains(len)) {
                    Some(offered) => params.max_send_segment = offered,
                    None => answer("Reject"),
                }
            }
            "DefaultTime2Wait" => match text::parse_number(value).filter(|seconds| *seconds <= 3600) {
                Some(offered) => answer(&offered.max(2).to_string()),
                None => answer("Reject"),
            },
            "InitialR2T" | "ImmediateData" if !matches!(value, "Yes" | "No") => answer("Reject"),
            "InitialR2T" => {
                params.initial_r2t = value == "Yes";
                answer(value);
            }
            "ImmediateData" => {
                params.immediate_data = value == "Yes";
                answer(value);
            }
            "HeaderDigest" | "DataDigest" => {
                let known = value.split(',').map(str::trim).find(|digest| matches!(*digest, "CRC32C" | "None"));
                let slot = if key == "HeaderDigest" { &mut params.header_digest } else { &mut params.data_digest };
                *slot = known == Some("CRC32C");
                answer(known.unwrap_or("Reject"));
            }
            "DataPDUInOrder" | "DataSequenceInOrder" => answer("Yes"),
            "TaskReporting" if value.split(',').any(|item| item.trim() == "RFC3720") => answer("RFC3720"),
            "TaskReporting" => answer("Reject"),
            "IFMarker" | "OFMarker" | "RDMAExtensions" => answer("No"),
            "IFMarkInt" | "OFMarkInt" => answer("Reject"),
            "InitiatorName" | "InitiatorAlias" | "SessionType" | "TargetName" | "AuthMethod" => {}
            "CHAP_A" | "CHAP_N" | "CHAP_R" | "CHAP_I" | "CHAP_C" => {}
            _ => answer("NotUnderstood"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn config() -> TargetConfig {
        TargetConfig::new("iqn.t", "a")
    }

    fn user(name: &str, secret: &str) -> Credentials {
        Credentials { name: name.into(), secret: Secret(secret.into()) }
    }

    fn keys(out: &[u8]) -> Vec<String> {
        out.split(|byte| *byte == 0)
            .filter(|pair| !pair.is_empty())
            .map(|pair| String::from_utf8(pair.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn open_iscsi_login_is_accepted() {
        let mut login = Login::new([7; 32]);
        let offer = b"InitiatorName=iqn.i\0TargetName=iqn.t\0SessionType=Normal\0HeaderDigest=None,CRC32C\0\
            DataDigest=None\0InitialR2T=No\0ImmediateData=Yes\0FirstBurstLength=262144\0MaxBurstLength=16776192\0\
            MaxRecvDataSegmentLength=262144\0MaxOutstandingR2T=1\0ErrorRecoveryLevel=0\0X-foo=1\0IFMarker=No\0";
        let answer = keys(&login.handle_request(&config(), Stage::Operational, true, offer).unwrap());
        assert_eq!(answer[..2], ["TargetAlias=a", "TargetPortalGroupTag=1"]);
        for wanted in
            ["HeaderDigest=None", "InitialR2T=No", "FirstBurstLength=262144", "X-foo=NotUnderstood", "IFMarker=No"]
        {
            assert!(answer.iter().any(|pair| pair == wanted), "{wanted} in {answer:?}");
        }
        assert!(answer.contains(&"MaxRecvDataSegmentLength=1048576".to_owned()));
        assert_eq!(login.params.max_send_segment, 262_144);
    }

    #[test]
    fn invalid_logins_are_rejected() {
        let config = TargetConfig { initiators: Some(vec!["iqn.ok".into()]), ..config() };
        let ask = |keys: &[u8]| Login::new([0; 32]).handle_request(&config, Stage::Operational, true, keys).err();
        assert_eq!(ask(b"TargetName=iqn.t\0"), Some(LoginStatus::MISSING_PARAMETER));
        assert_eq!(ask(b"InitiatorName=iqn.bad\0TargetName=iqn.t\0"), Some(LoginStatus::NOT_ALLOWED));
        assert_eq!(ask(b"InitiatorName=iqn.ok\0TargetName=iqn.x\0"), Some(LoginStatus::NOT_FOUND));
        assert_eq!(ask(b"InitiatorName=iqn.ok\0TargetName=iqn.t\0"), None);
        // Names are compared case-insensitively (RFC 3722), including those of the configuration.
        assert_eq!(ask(b"InitiatorName=IQN.Ok\0TargetName=iqn.T\0"), None);
        let upper =
            TargetConfig { initiators: Some(vec!["iqn.OK".into()]), names: vec!["iqn.T".into()], ..config.clone() };
        let mut login = Login::new([0; 32]);
        let keys = b"InitiatorName=iqn.ok\0TargetName=iqn.t\0";
        assert!(login.handle_request(&upper, Stage::Operational, true, keys).is_ok());
        assert_eq!((login.initiator.as_str(), login.target.as_str()), ("iqn.ok", "iqn.T"));
        // An empty list accepts no initiator.
        let config = TargetConfig { initiators: Some(Vec::new()), ..config };
        let keys = b"InitiatorName=iqn.ok\0TargetName=iqn.t\0";
        let refused = Login::new([0; 32]).handle_request(&config, Stage::Operational, true, keys).err();
        assert_eq!(refused, Some(LoginStatus::NOT_ALLOWED));
    }

    #[test]
    fn mutual_chap() {
        let config = TargetConfig {
            users: vec![user("u", "secret-of-user")],
            mutual: Some(user("t", "secret-of-target")),
            ..config()
        };
        let mut login = Login::new([9; 32]);
        let first = b"InitiatorName=iqn.i\0TargetName=iqn.t\0AuthMethod=CHAP,None\0";
        assert!(
            keys(&login.handle_request(&config, Stage::Security, false, first).unwrap())
                .contains(&"AuthMethod=CHAP".to_owned())
        );
        assert_eq!(
            login.clone().handle_request(&config, Stage::Operational, true, b""),
            Err(LoginStatus::AUTHENTICATION)
        );
        let challenge = keys(&login.handle_request(&config, Stage::Security, false, b"CHAP_A=5,7\0").unwrap());
        assert_eq!(challenge[..2], ["CHAP_A=7", "CHAP_I=9"]);
        let bytes = text::parse_binary(challenge[2].strip_prefix("CHAP_C=").unwrap()).unwrap();
        let mut wrong = login.clone();
        let bad = b"CHAP_N=u\0CHAP_R=0x00\0";
        assert_eq!(wrong.handle_request(&config, Stage::Security, false, bad), Err(LoginStatus::AUTHENTICATION));
        let response = text::to_hex(&Algorithm::Sha256.response(9, b"secret-of-user", &bytes));
        let reflected = format!("CHAP_N=u\0CHAP_R={response}\0CHAP_I=1\0CHAP_C={}\0", text::to_hex(&bytes));
        assert_eq!(
            login.clone().handle_request(&config, Stage::Security, false, reflected.as_bytes()),
            Err(LoginStatus::AUTHENTICATION)
        );
        let proof = format!("CHAP_N=u\0CHAP_R={response}\0CHAP_I=1\0CHAP_C=0x0102\0");
        let answer = keys(&login.handle_request(&config, Stage::Security, false, proof.as_bytes()).unwrap());
        let expected = text::to_hex(&Algorithm::Sha256.response(1, b"secret-of-target", &[1, 2]));
        assert_eq!(answer, ["CHAP_N=t".to_owned(), format!("CHAP_R={expected}")]);
        assert!(login.authenticated(&config));
    }
}
