//! The buffers of one connection: from those of the process, within what the budget lets its session have.

use iscsi::buffers::BufferSource;
use std::sync::Arc;
use vtl::budget::Account;
use vtl::buffers::Buffers;

/// Memory of one connection. Without a session it has no account: then only small buffers are asked for, of which the
/// protocol bounds size and number.
pub(crate) struct ConnectionBuffers {
    buffers: Arc<Buffers>,
    pub(crate) account: Option<Account>,
}

impl ConnectionBuffers {
    pub(crate) const fn new(buffers: Arc<Buffers>) -> Self {
        Self { buffers, account: None }
    }
}

impl BufferSource for ConnectionBuffers {
    fn acquire(&self, len: usize) -> Option<Vec<u8>> {
        let size = Buffers::size_for(len);
        if self.account.as_ref().is_some_and(|account| !account.acquire(size)) {
            return None;
        }
        let buffer = self.buffers.acquire(len);
        if let (None, Some(account)) = (&buffer, &self.account) {
            account.release(size);
        }
        buffer
    }

    fn release(&self, buffer: Vec<u8>) {
        if buffer.is_empty() {
            return;
        }
        if let Some(account) = &self.account {
            account.release(buffer.len());
        }
        self.buffers.release(buffer);
    }
}
