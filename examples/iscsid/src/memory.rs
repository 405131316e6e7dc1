//! The buffers of one connection: from those of the process, within what the budget lets its session have.

use iscsi::pool::Pool;
use std::sync::Arc;
use vtl::budget::Account;
use vtl::buffers::Buffers;

/// Memory of one connection. Without a session it has no account: then only small buffers are asked for, of which the
/// protocol bounds size and number.
pub(crate) struct Memory {
    buffers: Arc<Buffers>,
    pub(crate) account: Option<Account>,
}

impl Memory {
    pub(crate) const fn new(buffers: Arc<Buffers>) -> Self {
        Self { buffers, account: None }
    }
}

impl Pool for Memory {
    fn take(&self, len: usize) -> Option<Vec<u8>> {
        let size = Buffers::size(len);
        if self.account.as_ref().is_some_and(|account| !account.take(size)) {
            return None;
        }
        let buffer = self.buffers.take(len);
        if let (None, Some(account)) = (&buffer, &self.account) {
            account.give(size);
        }
        buffer
    }

    fn give(&self, buffer: Vec<u8>) {
        if buffer.is_empty() {
            return;
        }
        if let Some(account) = &self.account {
            account.give(buffer.len());
        }
        self.buffers.give(buffer);
    }
}
