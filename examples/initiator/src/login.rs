//! The login phase (RFC 7143 §6.3): negotiation of keys, and CHAP (§12.1.3).

use crate::{Error, Initiator, LoginRefused};
use iscsi::chap::Algorithm;
use iscsi::text;
use iscsi::wire::{self, FINAL_FLAG, Opcode, as_layout};
use std::io::{Read, Write};
use zerocopy::IntoBytes;

/// Length in bytes of the challenge to a target.
const CHALLENGE: usize = 16;

impl<S: Read + Write> Initiator<S> {
    /// Logs in to the target with this name.
    ///
    /// # Errors
    /// The connection or the login failed.
    pub fn log_in(&mut self, target: &str) -> Result<(), Error> {
        let name = self.options.name.clone();
        self.negotiate(&[("InitiatorName", name.as_str()), ("SessionType", "Normal"), ("TargetName", target)])
    }

    pub(crate) fn negotiate(&mut self, identity: &[(&str, &str)]) -> Result<(), Error> {
        let mut keys = Vec::new();
        identity.iter().for_each(|(key, value)| text::push_pair(&mut keys, key, value));
        if let Some((name, secret)) = self.options.chap.clone() {
            self.authenticate(&mut keys, &name, &secret)?;
        }
        let yes_no = |value: bool| if value { "Yes" } else { "No" };
        let digest_of = |wanted: bool| if wanted { "CRC32C" } else { "None" };
        let (max_recv, burst) = (self.options.max_recv.to_string(), self.options.burst.to_string());
        let offer = [
            ("HeaderDigest", digest_of(self.options.header_digest)),
            ("DataDigest", digest_of(self.options.data_digest)),
            ("InitialR2T", "No"),
            ("ImmediateData", yes_no(self.options.immediate)),
            ("MaxRecvDataSegmentLength", &max_recv),
            ("FirstBurstLength", &burst),
            ("MaxBurstLength", "16776192"),
            ("MaxOutstandingR2T", "1"),
            ("ErrorRecoveryLevel", "0"),
        ];
        offer.iter().for_each(|(key, value)| text::push_pair(&mut keys, key, value));
        let answer = self.login_request(1, 3, &keys)?;
        for (key, value) in text::parse(&answer)? {
            match (key, text::parse_number(value)) {
                ("FirstBurstLength", Some(len)) => self.first_burst = len as usize,
                ("MaxRecvDataSegmentLength", Some(len)) => self.max_send = len as usize,
                _ => {}
            }
        }
        self.digests = true;
        Ok(())
    }

    fn authenticate(&mut self, keys: &mut Vec<u8>, name: &str, secret: &str) -> Result<(), Error> {
        text::push_pair(keys, "AuthMethod", "CHAP");
        self.login_request(0, 0, keys)?;
        keys.clear();
        text::push_pair(keys, "CHAP_A", "7,5");
        let answer = self.login_request(0, 0, keys)?;
        let pairs = text::parse(&answer)?;
        let find = |wanted: &str| {
            pairs
                .iter()
                .find(|(key, _)| *key == wanted)
                .map(|(_, value)| *value)
                .ok_or(format!("the target sent no {wanted}"))
        };
        let algorithm =
            Algorithm::strongest(find("CHAP_A")?).ok_or("CHAP_A of the target is not a supported algorithm")?;
        let id = text::parse_number(find("CHAP_I")?)
            .and_then(|id| u8::try_from(id).ok())
            .ok_or("CHAP_I of the target is not a number from 0 to 255")?;
        let challenge = text::parse_binary(find("CHAP_C")?).ok_or("CHAP_C of the target is not a binary value")?;
        keys.clear();
        text::push_pair(keys, "CHAP_N", name);
        text::push_pair(keys, "CHAP_R", &text::to_hex(&algorithm.response(id, secret.as_bytes(), &challenge)));
        let (mut own_id, mut own_challenge) = ([0], [0; CHALLENGE]);
        if self.options.mutual.is_some() {
            // A target that sees a challenge twice could send the response of another.
            getrandom::fill(&mut own_id).and_then(|()| getrandom::fill(&mut own_challenge))?;
            let [id] = own_id;
            text::push_pair(keys, "CHAP_I", &id.to_string());
            text::push_pair(keys, "CHAP_C", &text::to_hex(&own_challenge));
        }
        let answer = self.login_request(0, 1, keys)?;
        keys.clear();
        if let Some(secret) = &self.options.mutual {
            let [id] = own_id;
            let pairs = text::parse(&answer)?;
            let response =
                pairs.iter().find(|(key, _)| *key == "CHAP_R").and_then(|(_, value)| text::parse_binary(value));
            if !algorithm.verify(id, secret.as_bytes(), &own_challenge, &response.unwrap_or_default()) {
                return Err("mutual CHAP: the response of the target is wrong".into());
            }
        }
        Ok(())
    }

    /// Sends one Login Request and returns the keys of the response. With `next` equal to `current`, no stage
    /// transition is requested.
    fn login_request(&mut self, current: u8, next: u8, keys: &[u8]) -> Result<Vec<u8>, Error> {
        let mut header: wire::Login = wire::with_opcode(Opcode(Opcode::LOGIN.0 | 0x40));
        header.flags = (current << 2) | if next > current { FINAL_FLAG | next } else { 0 };
        header.isid = self.options.isid;
        header.cmd_sn = self.cmd_sn.into();
        header.exp_stat_sn = self.exp_stat_sn.into();
        wire::set_data_length(&mut header.data_length, keys.len());
        self.send(header.as_bytes(), keys)?;
        let pdu = self.receive()?;
        let answer: wire::LoginResponse = as_layout(&pdu.header);
        if pdu.opcode() != Opcode::LOGIN_RESPONSE || answer.status_class != 0 {
            let status = u16::from_be_bytes([answer.status_class, answer.status_detail]);
            return Err(LoginRefused { status }.into());
        }
        self.exp_stat_sn = answer.stat_sn.get().wrapping_add(1);
        self.max_cmd_sn = answer.max_cmd_sn.get();
        self.tsih = answer.tsih.get();
        Ok(pdu.data)
    }
}
