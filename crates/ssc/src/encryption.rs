//! Tape data encryption parameters of a drive and of each nexus (SSC-4 §8.5).
//!
//! Keys exist only in RAM. They are wiped when they are replaced, and never logged or returned.

use scsi_core::asc::Asc;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::sense::{Sense, SenseKey};
use std::collections::BTreeMap;
use tape_store::encrypt::{Decryption, Encryption, Entropy, Key, KeyAssociatedData};

/// SECURITY ALGORITHM CODE of AES-256-GCM with a tag of 128 bits (SPC-4 §5.14.8).
pub(crate) const AES_256_GCM: u32 = 0x0001_0014;
/// Maximum length of unauthenticated key-associated data (U-KAD) of LTO drives, in bytes.
pub(crate) const MAX_U_KAD: usize = 32;
/// Maximum length of authenticated key-associated data (A-KAD) in bytes.
pub(crate) const MAX_A_KAD: usize = 12;
/// Maximum length of metadata key-associated data (M-KAD) in bytes.
pub(crate) const MAX_M_KAD: usize = 64;
/// Successive wrong keys after which further keys are rejected until demount or power-on.
const WRONG_KEY_LIMIT: u8 = 10;

/// ENCRYPTION MODE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum EncryptionMode {
    /// DISABLE: blocks are written unencrypted.
    #[default]
    Disable,
    /// EXTERNAL: the host sends encrypted blocks.
    External,
    /// ENCRYPT: the drive encrypts blocks.
    Encrypt,
}

/// DECRYPTION MODE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DecryptionMode {
    /// DISABLE: encrypted blocks cannot be read.
    #[default]
    Disable,
    /// RAW: encrypted blocks are read without decryption.
    Raw,
    /// DECRYPT: only encrypted blocks can be read.
    Decrypt,
    /// MIXED: encrypted and unencrypted blocks can be read.
    Mixed,
}

/// ENCRYPTION SCOPE: which parameters a nexus uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum EncryptionScope {
    /// PUBLIC: the nexus uses the shared parameters.
    #[default]
    Public,
    /// LOCAL: the nexus uses its own parameters.
    Local,
    /// ALL I_T NEXUS: the nexus has set the shared parameters.
    All,
}

/// CEEM: blocks that cannot be read because of the encryption mode that wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CeemRestriction {
    /// Blocks that were written in EXTERNAL mode.
    External,
    /// Blocks that were written in ENCRYPT mode.
    Internal,
}

/// Events that clear a key, in addition to setting another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyClearing {
    /// CKOD: clear the key on demount of the volume.
    pub(crate) on_demount: bool,
    /// CKORP: clear the key when the reservation of the nexus that set it is preempted.
    pub(crate) on_reservation_preempt: bool,
    /// CKORL: clear the key when the reservation of the nexus that set it is lost for any reason.
    pub(crate) on_reservation_loss: bool,
}

/// A set of data encryption parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct EncryptionParameters {
    pub(crate) encrypt: EncryptionMode,
    pub(crate) decrypt: DecryptionMode,
    /// Present if either mode needs a key.
    pub(crate) key: Option<Key>,
    pub(crate) kads: KeyAssociatedData,
    pub(crate) kad_format: u8,
    pub(crate) key_clearing: KeyClearing,
    /// RDMD: blocks are written such that they cannot be read raw.
    pub(crate) raw_read_disabled: bool,
    /// CEEM as set by the host, and the blocks that it rejects.
    pub(crate) ceem: u8,
    pub(crate) ceem_restriction: Option<CeemRestriction>,
    /// Initiator port of the nexus that set the parameters.
    pub(crate) owner: Option<TransportId>,
    /// KEY INSTANCE COUNTER.
    pub(crate) instance: u32,
}

impl EncryptionParameters {
    /// The encryption of written blocks by the medium, with salts from `entropy`; `None` if it does not encrypt.
    pub(crate) fn encryption(&self, entropy: Entropy) -> Option<Encryption> {
        let key = self.key.clone().filter(|_| self.encrypt == EncryptionMode::Encrypt)?;
        Some(Encryption { key, kads: self.kads.clone(), raw_read_disabled: self.raw_read_disabled, entropy })
    }

    /// The part of the parameters that reads need.
    pub(crate) fn reader(&self) -> DecryptionParameters {
        let key = if matches!(self.decrypt, DecryptionMode::Decrypt | DecryptionMode::Mixed) {
            self.key.clone()
        } else {
            None
        };
        DecryptionParameters { decrypt: self.decrypt, key, ceem_restriction: self.ceem_restriction }
    }
}

/// Data encryption parameters for reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct DecryptionParameters {
    decrypt: DecryptionMode,
    key: Option<Key>,
    pub(crate) ceem_restriction: Option<CeemRestriction>,
}

impl DecryptionParameters {
    /// Decryption mode and key for the medium.
    pub(crate) fn decryption(&self) -> Decryption<'_> {
        match (self.decrypt, &self.key) {
            (DecryptionMode::Decrypt, Some(key)) => Decryption::Decrypt(key),
            (DecryptionMode::Mixed, Some(key)) => Decryption::Mixed(key),
            (DecryptionMode::Raw, _) => Decryption::Raw,
            (DecryptionMode::Disable, _) | (_, None) => Decryption::Disable,
        }
    }
}

/// Data encryption state of a drive: shared and local parameters, locks, wrong keys.
#[derive(Debug, Default)]
pub(crate) struct EncryptionState {
    shared: EncryptionParameters,
    local: BTreeMap<NexusId, EncryptionParameters>,
    /// Nexus that set the shared parameters.
    shared_owner: Option<NexusId>,
    /// Key instance to which each nexus is locked (LOCK=1).
    locks: BTreeMap<NexusId, u32>,
    /// Last KEY INSTANCE COUNTER.
    instances: u32,
    wrong_keys: u8,
    /// Key instance that was last counted as wrong.
    last_wrong: Option<u32>,
}

impl EncryptionState {
    /// Parameters that a nexus uses, and their scope for that nexus.
    pub(crate) fn parameters_of(&self, nexus: NexusId) -> (&EncryptionParameters, EncryptionScope) {
        match self.local.get(&nexus) {
            Some(own) => (own, EncryptionScope::Local),
            None if self.shared_owner == Some(nexus) => (&self.shared, EncryptionScope::All),
            None => (&self.shared, EncryptionScope::Public),
        }
    }

    /// Parameters that all nexuses without local ones share.
    pub(crate) const fn shared(&self) -> &EncryptionParameters {
        &self.shared
    }

    /// ENCRYPTION SCOPE with which the parameters that a nexus uses were set.
    pub(crate) fn reported_scope(&self, nexus: NexusId) -> EncryptionScope {
        match self.parameters_of(nexus).1 {
            EncryptionScope::Local => EncryptionScope::Local,
            EncryptionScope::All | EncryptionScope::Public if self.shared.owner.is_some() => EncryptionScope::All,
            EncryptionScope::All | EncryptionScope::Public => EncryptionScope::Public,
        }
    }

    /// Sets the parameters of a nexus. Returns whether the shared parameters changed.
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
            // The nexus returns to the shared parameters; all other fields are ignored.
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

    /// Whether written blocks of any nexus are encrypted, by the drive or outside it.
    pub(crate) fn is_on(&self) -> bool {
        self.local.values().chain([&self.shared]).any(|parameters| parameters.encrypt != EncryptionMode::Disable)
    }

    /// Whether a nexus has local parameters, which other nexuses do not change.
    pub(crate) fn is_local(&self, nexus: NexusId) -> bool {
        self.local.contains_key(&nexus)
    }

    /// Checks that the key instance to which a nexus is locked has not changed.
    ///
    /// # Errors
    /// DATA PROTECT 2Ah/13h.
    pub(crate) fn check_lock(&self, nexus: NexusId) -> Result<(), Sense> {
        match self.locks.get(&nexus) {
            Some(instance) if *instance != self.parameters_of(nexus).0.instance => {
                Err(Sense::new(SenseKey::DATA_PROTECT, Asc::DATA_ENCRYPTION_KEY_INSTANCE_COUNTER_HAS_CHANGED))
            }
            _ => Ok(()),
        }
    }

    /// Checks that the limit of wrong keys is not reached.
    ///
    /// # Errors
    /// DATA PROTECT 26h/10h.
    pub(crate) fn check_wrong_key_limit(&self) -> Result<(), Sense> {
        if self.wrong_keys < WRONG_KEY_LIMIT {
            return Ok(());
        }
        Err(Sense::new(SenseKey::DATA_PROTECT, Asc::DATA_DECRYPTION_KEY_FAIL_LIMIT_REACHED))
    }

    /// Records whether the key of a nexus decrypted a block. A key instance counts as wrong once, however often it is
    /// used.
    pub(crate) fn record_key_use(&mut self, nexus: NexusId, correct: bool) {
        let instance = Some(self.parameters_of(nexus).0.instance);
        if correct {
            (self.wrong_keys, self.last_wrong) = (0, None);
        } else if self.last_wrong != instance {
            self.wrong_keys = self.wrong_keys.saturating_add(1);
            self.last_wrong = instance;
        }
    }

    /// Whether wrong keys have been counted since the last correct one.
    pub(crate) const fn has_failed(&self) -> bool {
        self.wrong_keys > 0
    }

    /// Removes the local parameters and the lock of a nexus after I_T nexus loss.
    pub(crate) fn remove_nexus(&mut self, nexus: NexusId) {
        self.local.remove(&nexus);
        self.locks.remove(&nexus);
    }

    /// Clears keys with CKOD set when the volume is demounted. Returns whether the shared parameters were cleared, and
    /// the nexuses whose local ones were.
    pub(crate) fn volume_demounted(&mut self) -> (bool, Vec<NexusId>) {
        (self.wrong_keys, self.last_wrong) = (0, None);
        self.remove_parameters(|parameters| parameters.key_clearing.on_demount)
    }

    /// Clears keys with CKORL, or with CKORP on a preemption, whose owner is among the `lost` ports. Returns the same
    /// as [`Self::volume_demounted`].
    pub(crate) fn reservation_lost(&mut self, lost: &[TransportId], preempted: bool) -> (bool, Vec<NexusId>) {
        self.remove_parameters(|EncryptionParameters { key_clearing, owner, .. }| {
            let is_theirs = owner.as_ref().is_some_and(|port| lost.contains(port));
            is_theirs && (key_clearing.on_reservation_loss || preempted && key_clearing.on_reservation_preempt)
        })
    }

    /// Removes the parameters that `matches` selects.
    fn remove_parameters(&mut self, matches: impl Fn(&EncryptionParameters) -> bool) -> (bool, Vec<NexusId>) {
        let shared = matches(&self.shared);
        if shared {
            self.shared = EncryptionParameters { instance: self.next_instance(), ..EncryptionParameters::default() };
            self.shared_owner = None;
        }
        let local = self.local.iter().filter(|(_, own)| matches(own));
        let cleared: Vec<NexusId> = local.map(|(nexus, _)| *nexus).collect();
        cleared.iter().for_each(|nexus| drop(self.local.remove(nexus)));
        (shared, cleared)
    }

    const fn next_instance(&mut self) -> u32 {
        self.instances = self.instances.wrapping_add(1);
        self.instances
    }

    /// Clears all parameters after power-on or a hard reset.
    pub(crate) fn clear(&mut self) {
        *self = Self { instances: self.instances, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(seed: u8, on_demount: bool) -> EncryptionParameters {
        let (key, key_clearing) = (Key::new(&[seed; 32]), KeyClearing { on_demount, ..KeyClearing::default() });
        EncryptionParameters {
            encrypt: EncryptionMode::Encrypt,
            decrypt: DecryptionMode::Mixed,
            key,
            key_clearing,
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
        assert!(
            encryption
                .parameters_of(b)
                .0
                .encryption(tape_store::testing::entropy)
                .is_some_and(|encryption| encryption.key.equals(&[1; 32]))
        );
        assert!(!encryption.set(b, EncryptionScope::Local, false, keyed(2, false)));
        assert!(
            encryption
                .parameters_of(b)
                .0
                .encryption(tape_store::testing::entropy)
                .is_some_and(|encryption| encryption.key.equals(&[2; 32]))
        );
        encryption.remove_nexus(b);
        assert!(
            encryption
                .parameters_of(b)
                .0
                .encryption(tape_store::testing::entropy)
                .is_some_and(|encryption| encryption.key.equals(&[1; 32]))
        );
        // Shared parameters stay when the nexus that set them is removed.
        encryption.remove_nexus(a);
        assert!(encryption.parameters_of(b).0.encryption(tape_store::testing::entropy).is_some());
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
            encryption.record_key_use(b, false);
            encryption.record_key_use(b, false);
        }
        assert!(encryption.check_wrong_key_limit().is_err());
        encryption.volume_demounted();
        assert_eq!(encryption.check_wrong_key_limit(), Ok(()));
    }
}
