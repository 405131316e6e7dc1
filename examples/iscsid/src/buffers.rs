//! Buffers of one connection, taken from those of the process and charged to the account of its session.

use iscsi::buffers::BufferSource;
use std::sync::Arc;
use vtl::budget::Account;
use vtl::buffers::Buffers;

/// The buffer source of one connection. Without a session there is no account; the protocol then requests only small
/// buffers of bounded size and number.
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
