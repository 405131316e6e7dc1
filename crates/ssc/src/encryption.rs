//! Tape data encryption: who encrypts with what (SSC-5 §4.2.22, §8.5).
//!
//! Keys are here and nowhere else: in memory, forgotten when they are replaced, and never shown.

use scsi_core::asc::Asc;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::sense::{Sense, SenseKey};
use std::collections::BTreeMap;
use tape_store::seal::{Kads, Key, Seal, Unseal};

/// SECURITY ALGORITHM CODE of AES-256-GCM with a tag of 128 bits (SPC-5 §7.7.3.7).
pub(crate) const AES_256_GCM: u32 = 0x0001_0014;
/// The longest unauthenticated, authenticated and metadata key-associated data of LTO drives.
pub(crate) const MAX_U_KAD: usize = 32;
/// As above.
pub(crate) const MAX_A_KAD: usize = 12;
/// As above.
pub(crate) const MAX_M_KAD: usize = 64;
/// Wrong keys in a row after which no further is taken until the medium or the power goes.
const FAIL_LIMIT: u8 = 10;

/// ENCRYPTION MODE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encrypt {
    /// Blocks are written in clear.
    #[default]
    Disable,
    /// Blocks come sealed.
    External,
    /// Blocks are sealed.
    Seal,
}

/// DECRYPTION MODE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Decrypt {
    /// Sealed blocks are not read.
    #[default]
    Disable,
    /// They are read as they are.
    Raw,
    /// Only sealed blocks are read.
    Only,
    /// Both are.
    Mixed,
}

/// Which parameters a nexus uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
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
pub(crate) enum Refused {
    /// They came sealed.
    External,
    /// The drive sealed them.
    Sealed,
}

/// What takes a key away, besides another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clear {
    /// CKOD: the volume is demounted.
    pub(crate) on_demount: bool,
    /// CKORP: the reservation of who set it is preempted.
    pub(crate) on_preempt: bool,
    /// CKORL: the reservation of who set it is lost, however.
    pub(crate) on_loss: bool,
}

/// A set of parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) encrypt: Encrypt,
    pub(crate) decrypt: Decrypt,
    /// There is one if either mode needs it.
    pub(crate) key: Option<Key>,
    pub(crate) kads: Kads,
    pub(crate) kad_format: u8,
    pub(crate) clear: Clear,
    /// RDMD: blocks are written so that they cannot be read raw.
    pub(crate) protected: bool,
    /// CEEM as it was set, and what it refuses.
    pub(crate) ceem: u8,
    pub(crate) refused: Option<Refused>,
    /// The port of who set them.
    pub(crate) port: Option<TransportId>,
    /// KEY INSTANCE COUNTER.
    pub(crate) instance: u32,
}

impl Parameters {
    /// How blocks are written.
    pub(crate) fn seal(&self) -> Option<Seal> {
        let key = self.key.clone().filter(|_| self.encrypt == Encrypt::Seal)?;
        Some(Seal { key, kads: self.kads.clone(), protected: self.protected })
    }

    /// How blocks are read; without a copy of what reading does not need.
    pub(crate) fn reader(&self) -> Reader {
        let key = if matches!(self.decrypt, Decrypt::Only | Decrypt::Mixed) { self.key.clone() } else { None };
        Reader { decrypt: self.decrypt, key, refused: self.refused }
    }
}

/// How blocks are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    decrypt: Decrypt,
    key: Option<Key>,
    pub(crate) refused: Option<Refused>,
}

impl Reader {
    /// As the medium takes it.
    pub(crate) fn unseal(&self) -> Unseal<'_> {
        match (self.decrypt, &self.key) {
            (Decrypt::Only, Some(key)) => Unseal::Only(key),
            (Decrypt::Mixed, Some(key)) => Unseal::Also(key),
            (Decrypt::Raw, _) => Unseal::Raw,
            (Decrypt::Disable, _) | (_, None) => Unseal::Never,
        }
    }
}

/// The parameters of a drive.
#[derive(Debug, Default)]
pub(crate) struct Encryption {
    shared: Parameters,
    local: BTreeMap<NexusId, Parameters>,
    /// Who set the shared ones.
    owner: Option<NexusId>,
    /// Who is bound to which instance of the shared ones.
    locks: BTreeMap<NexusId, u32>,
    /// Key instances so far.
    instances: u32,
    wrong_keys: u8,
    /// The key instance that was last found wrong.
    last_wrong: Option<u32>,
}

impl Encryption {
    /// The parameters of a nexus, and where they come from.
    pub(crate) fn of(&self, nexus: NexusId) -> (&Parameters, Scope) {
        match self.local.get(&nexus) {
            Some(own) => (own, Scope::Local),
            None if self.owner == Some(nexus) => (&self.shared, Scope::All),
            None => (&self.shared, Scope::Public),
        }
    }

    /// The parameters that are shared.
    pub(crate) const fn shared(&self) -> &Parameters {
        &self.shared
    }

    /// ENCRYPTION SCOPE of the parameters that a nexus uses: as they were set.
    pub(crate) fn set_as(&self, nexus: NexusId) -> Scope {
        match self.of(nexus).1 {
            Scope::Local => Scope::Local,
            Scope::All | Scope::Public if self.shared.port.is_some() => Scope::All,
            Scope::All | Scope::Public => Scope::Public,
        }
    }

    /// Takes the parameters of a nexus. Says whether others share what changed.
    pub(crate) fn set(&mut self, nexus: NexusId, scope: Scope, lock: bool, mut parameters: Parameters) -> bool {
        self.locks.remove(&nexus);
        self.local.remove(&nexus);
        self.owner.take_if(|owner| *owner == nexus);
        parameters.instance = self.next_instance();
        match scope {
            // It goes back to what is shared; nothing else counts.
            Scope::Public => {}
            Scope::Local => drop(self.local.insert(nexus, parameters)),
            Scope::All => {
                self.shared = parameters;
                self.owner = Some(nexus);
            }
        }
        if lock {
            self.locks.insert(nexus, self.of(nexus).0.instance);
        }
        scope == Scope::All
    }

    /// Whether a nexus has parameters of its own, and so does not share what others change.
    pub(crate) fn is_local(&self, nexus: NexusId) -> bool {
        self.local.contains_key(&nexus)
    }

    /// Refuses a write of a nexus that is bound to parameters which are no more.
    ///
    /// # Errors
    /// 7/2A/13.
    pub(crate) fn may_write(&self, nexus: NexusId) -> Result<(), Sense> {
        match self.locks.get(&nexus) {
            Some(instance) if *instance != self.of(nexus).0.instance => {
                Err(Sense::new(SenseKey::DATA_PROTECT, Asc::DATA_ENCRYPTION_KEY_INSTANCE_COUNTER_HAS_CHANGED))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a further key after too many wrong ones.
    ///
    /// # Errors
    /// 7/26/10.
    pub(crate) fn may_try(&self) -> Result<(), Sense> {
        if self.wrong_keys < FAIL_LIMIT {
            return Ok(());
        }
        Err(Sense::new(SenseKey::DATA_PROTECT, Asc::DATA_DECRYPTION_KEY_FAIL_LIMIT_REACHED))
    }

    /// Notes how the key of a nexus met a sealed block. One key is wrong once, however often it is tried.
    pub(crate) fn tried(&mut self, nexus: NexusId, right: bool) {
        let instance = Some(self.of(nexus).0.instance);
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
    pub(crate) fn forget(&mut self, nexus: NexusId) {
        self.local.remove(&nexus);
        self.locks.remove(&nexus);
    }

    /// The volume is gone: keys that were to go with it, go. Says whether the shared one did, and whose own did.
    pub(crate) fn demounted(&mut self) -> (bool, Vec<NexusId>) {
        (self.wrong_keys, self.last_wrong) = (0, None);
        self.take(|parameters| parameters.clear.on_demount)
    }

    /// Reservations changed: keys whose owners lost one go, if they were to. Says what [`Self::demounted`] says.
    pub(crate) fn reservation_lost(&mut self, lost: &[TransportId], preempted: bool) -> (bool, Vec<NexusId>) {
        self.take(|Parameters { clear, port, .. }| {
            let is_theirs = port.as_ref().is_some_and(|port| lost.contains(port));
            is_theirs && (clear.on_loss || preempted && clear.on_preempt)
        })
    }

    /// Takes the parameters away of which `goes` says so.
    fn take(&mut self, goes: impl Fn(&Parameters) -> bool) -> (bool, Vec<NexusId>) {
        let shared = goes(&self.shared);
        if shared {
            self.shared = Parameters { instance: self.next_instance(), ..Parameters::default() };
            self.owner = None;
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

    fn keyed(seed: u8, on_demount: bool) -> Parameters {
        let (key, clear) = (Key::new(&[seed; 32]), Clear { on_demount, ..Clear::default() });
        Parameters { encrypt: Encrypt::Seal, decrypt: Decrypt::Mixed, key, clear, ..Parameters::default() }
    }

    #[test]
    fn scopes() {
        let (a, b) = (NexusId(1), NexusId(2));
        let mut encryption = Encryption::default();
        assert!(encryption.set(a, Scope::All, false, keyed(1, false)));
        assert_eq!((encryption.of(a).1, encryption.of(b).1), (Scope::All, Scope::Public));
        assert!(encryption.of(b).0.seal().is_some_and(|seal| seal.key.is(&[1; 32])));
        assert!(!encryption.set(b, Scope::Local, false, keyed(2, false)));
        assert!(encryption.of(b).0.seal().is_some_and(|seal| seal.key.is(&[2; 32])));
        encryption.forget(b);
        assert!(encryption.of(b).0.seal().is_some_and(|seal| seal.key.is(&[1; 32])));
        // What is shared outlives who set it.
        encryption.forget(a);
        assert!(encryption.of(b).0.seal().is_some());
        assert!(!format!("{encryption:?}").contains("[1, 1"));
    }

    #[test]
    fn a_lock_binds_to_an_instance() {
        let (a, b) = (NexusId(1), NexusId(2));
        let mut encryption = Encryption::default();
        encryption.set(a, Scope::All, false, keyed(1, false));
        encryption.set(b, Scope::Public, true, Parameters::default());
        assert_eq!(encryption.may_write(b), Ok(()));
        encryption.set(a, Scope::All, false, keyed(3, false));
        assert_eq!(encryption.may_write(b).map_err(|sense| sense.asc.0), Err(0x2a13));
        encryption.set(b, Scope::Public, false, Parameters::default());
        assert_eq!(encryption.may_write(b), Ok(()));
    }

    #[test]
    fn keys_that_go_with_the_volume() {
        let (a, b) = (NexusId(1), NexusId(2));
        let mut encryption = Encryption::default();
        encryption.set(a, Scope::All, false, keyed(1, true));
        encryption.set(b, Scope::Local, false, keyed(2, false));
        assert_eq!(encryption.demounted(), (true, vec![]));
        assert!(encryption.of(a).0.key.is_none() && encryption.of(b).0.key.is_some());
        for _ in 0..10 {
            assert_eq!(encryption.may_try(), Ok(()));
            encryption.set(b, Scope::Local, false, keyed(2, false));
            encryption.tried(b, false);
            encryption.tried(b, false);
        }
        assert!(encryption.may_try().is_err());
        encryption.demounted();
        assert_eq!(encryption.may_try(), Ok(()));
    }
}
