//! Tape data encryption: who encrypts with what (SSC-5 §4.2.22, §8.5).
//!
//! Keys are here and nowhere else: in memory, forgotten when they are replaced, and never shown.

use scsi_core::asc::Asc;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::sense::{Sense, SenseKey};
use std::collections::BTreeMap;
use tape_store::encrypt::{Decryption, Encryption, Key, KeyAssociatedData};

/// SECURITY ALGORITHM CODE of AES-256-GCM with a tag of 128 bits (SPC-5 §7.7.3.7).
pub(crate) const AES_256_GCM: u32 = 0x0001_0014;
/// The longest unauthenticated, authenticated and metadata key-associated data of LTO drives.
pub(crate) const MAX_U_KAD: usize = 32;
/// As above.
pub(crate) const MAX_A_KAD: usize = 12;
/// As above.
pub(crate) const MAX_M_KAD: usize = 64;
/// Wrong keys in a row after which no further is taken until the medium or the power goes.
const WRONG_KEY_LIMIT: u8 = 10;

/// ENCRYPTION MODE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum EncryptionMode {
    /// Blocks are written in clear.
    #[default]
    Disable,
    /// Blocks come sealed.
    External,
    /// Blocks are sealed.
    Encrypt,
}

/// DECRYPTION MODE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DecryptionMode {
    /// Sealed blocks are not read.
    #[default]
    Disable,
    /// They are read as they are.
    Raw,
    /// Only sealed blocks are read.
    Decrypt,
    /// Both are.
    Mixed,
}

/// Which parameters a nexus uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum EncryptionScope {
    /// Those that are shared.
    #[default]
    Public,
    /// Its own.
    Local,
    /// It has set those that are shared.
    All,
}

/// CEEM: blocks that are not read because of how they came to be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CeemRestriction {
    /// They came sealed.
    External,
    /// The drive sealed them.
    Internal,
}

/// What takes a key away, besides another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyClearing {
    /// CKOD: the volume is demounted.
    pub(crate) on_demount: bool,
    /// CKORP: the reservation of who set it is preempted.
    pub(crate) on_reservation_preempt: bool,
    /// CKORL: the reservation of who set it is lost, however.
    pub(crate) on_reservation_loss: bool,
}

/// A set of parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct EncryptionParameters {
    pub(crate) encrypt: EncryptionMode,
    pub(crate) decrypt: DecryptionMode,
    /// There is one if either mode needs it.
    pub(crate) key: Option<Key>,
    pub(crate) kads: KeyAssociatedData,
    pub(crate) kad_format: u8,
    pub(crate) key_clearing: KeyClearing,
    /// RDMD: blocks are written so that they cannot be read raw.
    pub(crate) raw_read_disabled: bool,
    /// CEEM as it was set, and what it refuses.
    pub(crate) ceem: u8,
    pub(crate) ceem_restriction: Option<CeemRestriction>,
    /// The port of who set them.
    pub(crate) owner: Option<TransportId>,
    /// KEY INSTANCE COUNTER.
    pub(crate) instance: u32,
}

impl EncryptionParameters {
    /// How blocks are written.
    pub(crate) fn encryption(&self) -> Option<Encryption> {
        let key = self.key.clone().filter(|_| self.encrypt == EncryptionMode::Encrypt)?;
        Some(Encryption { key, kads: self.kads.clone(), raw_read_disabled: self.raw_read_disabled })
    }

    /// How blocks are read; without a copy of what reading does not need.
    pub(crate) fn reader(&self) -> DecryptionParameters {
        let key = if matches!(self.decrypt, DecryptionMode::Decrypt | DecryptionMode::Mixed) {
            self.key.clone()
        } else {
            None
        };
        DecryptionParameters { decrypt: self.decrypt, key, ceem_restriction: self.ceem_restriction }
    }
}

/// How blocks are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct DecryptionParameters {
    decrypt: DecryptionMode,
    key: Option<Key>,
    pub(crate) ceem_restriction: Option<CeemRestriction>,
}

impl DecryptionParameters {
    /// As the medium takes it.
    pub(crate) fn decryption(&self) -> Decryption<'_> {
        match (self.decrypt, &self.key) {
            (DecryptionMode::Decrypt, Some(key)) => Decryption::Decrypt(key),
            (DecryptionMode::Mixed, Some(key)) => Decryption::Mixed(key),
            (DecryptionMode::Raw, _) => Decryption::Raw,
            (DecryptionMode::Disable, _) | (_, None) => Decryption::Disable,
        }
    }
}

/// The parameters of a drive.
#[derive(Debug, Default)]
pub(crate) struct EncryptionState {
    shared: EncryptionParameters,
    local: BTreeMap<NexusId, EncryptionParameters>,
    /// Who set the shared ones.
    shared_owner: Option<NexusId>,
    /// Who is bound to which instance of the shared ones.
    locks: BTreeMap<NexusId, u32>,
    /// Key instances so far.
    instances: u32,
    wrong_keys: u8,
    /// The key instance that was last found wrong.
    last_wrong: Option<u32>,
}

impl EncryptionState {
    /// The parameters of a nexus, and where they come from.
    pub(crate) fn parameters_of(&self, nexus: NexusId) -> (&EncryptionParameters, EncryptionScope) {
        match self.local.get(&nexus) {
            Some(own) => (own, EncryptionScope::Local),
            None if self.shared_owner == Some(nexus) => (&self.shared, EncryptionScope::All),
            None => (&self.shared, EncryptionScope::Public),
        }
    }

    /// The parameters that are shared.
    pub(crate) const fn shared(&self) -> &EncryptionParameters {
        &self.shared
    }

    /// ENCRYPTION SCOPE of the parameters that a nexus uses: as they were set.
    pub(crate) fn reported_scope(&self, nexus: NexusId) -> EncryptionScope {
        match self.parameters_of(nexus).1 {
            EncryptionScope::Local => EncryptionScope::Local,
            EncryptionScope::All | EncryptionScope::Public if self.shared.owner.is_some() => EncryptionScope::All,
            EncryptionScope::All | EncryptionScope::Public => EncryptionScope::Public,
        }
    }

    /// Takes the parameters of a nexus. Says whether others share what changed.
    pub(crate) fn set(
        &mut self,
        nexus: NexusId,
        scope: EncryptionScope,
        lock: bool,
        mut parameters: EncryptionParameters,
    ) -> bool {
        self.locks.remove(&nexus);
        self.local.remove(&nexus);
        self.shared_owner.take_if(|owner| *owner == nexus);
        parameters.instance = self.next_instance();
        match scope {
            // It goes back to what is shared; nothing else counts.
            EncryptionScope::Public => {}
            EncryptionScope::Local => drop(self.local.insert(nexus, parameters)),
            EncryptionScope::All => {
                self.shared = parameters;
                self.shared_owner = Some(nexus);
            }
        }
        if lock {
            self.locks.insert(nexus, self.parameters_of(nexus).0.instance);
        }
        scope == EncryptionScope::All
    }

    /// Whether a nexus has parameters of its own, and so does not share what others change.
    pub(crate) fn is_local(&self, nexus: NexusId) -> bool {
        self.local.contains_key(&nexus)
    }

    /// Refuses a write of a nexus that is bound to parameters which are no more.
    ///
    /// # Errors
    /// 7/2A/13.
    pub(crate) fn check_lock(&self, nexus: NexusId) -> Result<(), Sense> {
        match self.locks.get(&nexus) {
            Some(instance) if *instance != self.parameters_of(nexus).0.instance => {
                Err(Sense::new(SenseKey::DATA_PROTECT, Asc::DATA_ENCRYPTION_KEY_INSTANCE_COUNTER_HAS_CHANGED))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a further key after too many wrong ones.
    ///
    /// # Errors
    /// 7/26/10.
    pub(crate) fn check_wrong_key_limit(&self) -> Result<(), Sense> {
        if self.wrong_keys < WRONG_KEY_LIMIT {
            return Ok(());
        }
        Err(Sense::new(SenseKey::DATA_PROTECT, Asc::DATA_DECRYPTION_KEY_FAIL_LIMIT_REACHED))
    }

    /// Notes how the key of a nexus met a sealed block. One key is wrong once, however often it is tried.
    pub(crate) fn tried(&mut self, nexus: NexusId, right: bool) {
        let instance = Some(self.parameters_of(nexus).0.instance);
        if right {
            (self.wrong_keys, self.last_wrong) = (0, None);
        } else if self.last_wrong != instance {
            self.wrong_keys = self.wrong_keys.saturating_add(1);
            self.last_wrong = instance;
        }
    }

    /// Whether a right key would end a row of wrong ones.
    pub(crate) const fn has_failed(&self) -> bool {
        self.wrong_keys > 0
    }

    /// The nexus is gone, and with it what was its own.
    pub(crate) fn remove_nexus(&mut self, nexus: NexusId) {
        self.local.remove(&nexus);
        self.locks.remove(&nexus);
    }

    /// The volume is gone: keys that were to go with it, go. Says whether the shared one did, and whose own did.
    pub(crate) fn volume_demounted(&mut self) -> (bool, Vec<NexusId>) {
        (self.wrong_keys, self.last_wrong) = (0, None);
        self.remove_parameters(|parameters| parameters.key_clearing.on_demount)
    }

    /// Reservations changed: keys whose owners lost one go, if they were to. Says what [`Self::volume_demounted`] says.
    pub(crate) fn reservation_lost(&mut self, lost: &[TransportId], preempted: bool) -> (bool, Vec<NexusId>) {
        self.remove_parameters(|EncryptionParameters { key_clearing: clear, owner: port, .. }| {
            let is_theirs = port.as_ref().is_some_and(|port| lost.contains(port));
            is_theirs && (clear.on_reservation_loss || preempted && clear.on_reservation_preempt)
        })
    }

    /// Takes the parameters away of which `goes` says so.
    fn remove_parameters(&mut self, goes: impl Fn(&EncryptionParameters) -> bool) -> (bool, Vec<NexusId>) {
        let shared = goes(&self.shared);
        if shared {
            self.shared = EncryptionParameters { instance: self.next_instance(), ..EncryptionParameters::default() };
            self.shared_owner = None;
        }
        let local = self.local.iter().filter(|(_, own)| goes(own));
        let gone: Vec<NexusId> = local.map(|(nexus, _)| *nexus).collect();
        gone.iter().for_each(|nexus| drop(self.local.remove(nexus)));
        (shared, gone)
    }

    const fn next_instance(&mut self) -> u32 {
        self.instances = self.instances.wrapping_add(1);
        self.instances
    }

    /// Power on or a hard reset: nothing is left.
    pub(crate) fn clear(&mut self) {
        *self = Self { instances: self.instances, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(seed: u8, on_demount: bool) -> EncryptionParameters {
        let (key, clear) = (Key::new(&[seed; 32]), KeyClearing { on_demount, ..KeyClearing::default() });
        EncryptionParameters {
            encrypt: EncryptionMode::Encrypt,
            decrypt: DecryptionMode::Mixed,
            key,
            key_clearing: clear,
            ..EncryptionParameters::default()
        }
    }

    #[test]
    fn parameters_by_scope() {
        let (a, b) = (NexusId(1), NexusId(2));
        let mut encryption = EncryptionState::default();
        assert!(encryption.set(a, EncryptionScope::All, false, keyed(1, false)));
        assert_eq!(
            (encryption.parameters_of(a).1, encryption.parameters_of(b).1),
            (EncryptionScope::All, EncryptionScope::Public)
        );
        assert!(encryption.parameters_of(b).0.encryption().is_some_and(|seal| seal.key.equals(&[1; 32])));
        assert!(!encryption.set(b, EncryptionScope::Local, false, keyed(2, false)));
        assert!(encryption.parameters_of(b).0.encryption().is_some_and(|seal| seal.key.equals(&[2; 32])));
        encryption.remove_nexus(b);
        assert!(encryption.parameters_of(b).0.encryption().is_some_and(|seal| seal.key.equals(&[1; 32])));
        // What is shared outlives who set it.
        encryption.remove_nexus(a);
        assert!(encryption.parameters_of(b).0.encryption().is_some());
        assert!(!format!("{encryption:?}").contains("[1, 1"));
    }

    #[test]
    fn lock_refers_to_a_key_instance() {
        let (a, b) = (NexusId(1), NexusId(2));
        let mut encryption = EncryptionState::default();
        encryption.set(a, EncryptionScope::All, false, keyed(1, false));
        encryption.set(b, EncryptionScope::Public, true, EncryptionParameters::default());
        assert_eq!(encryption.check_lock(b), Ok(()));
        encryption.set(a, EncryptionScope::All, false, keyed(3, false));
        assert_eq!(encryption.check_lock(b).map_err(|sense| sense.asc.0), Err(0x2a13));
        encryption.set(b, EncryptionScope::Public, false, EncryptionParameters::default());
        assert_eq!(encryption.check_lock(b), Ok(()));
    }

    #[test]
    fn ckod_clears_keys_at_demount() {
        let (a, b) = (NexusId(1), NexusId(2));
        let mut encryption = EncryptionState::default();
        encryption.set(a, EncryptionScope::All, false, keyed(1, true));
        encryption.set(b, EncryptionScope::Local, false, keyed(2, false));
        assert_eq!(encryption.volume_demounted(), (true, vec![]));
        assert!(encryption.parameters_of(a).0.key.is_none() && encryption.parameters_of(b).0.key.is_some());
        for _ in 0..10 {
            assert_eq!(encryption.check_wrong_key_limit(), Ok(()));
            encryption.set(b, EncryptionScope::Local, false, keyed(2, false));
            encryption.tried(b, false);
            encryption.tried(b, false);
        }
        assert!(encryption.check_wrong_key_limit().is_err());
        encryption.volume_demounted();
        assert_eq!(encryption.check_wrong_key_limit(), Ok(()));
    }
}
