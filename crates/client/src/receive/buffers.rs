//! The memory that replies are received into. It belongs to the process and not to each connection.

use std::sync::Mutex;

use crate::sys::lock::lock;

/// How much is received at once into a new buffer. A larger one is filled as far as it goes.
pub(crate) const RECV_CHUNK: usize = 64 << 10;
/// Buffers are kept up to this many bytes in all. Long lists that are queried again and again find their memory there,
/// and need not have it mapped anew.
const MAX_KEPT: usize = 1 << 20;

/// Buffers that are free, the last used one on top.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Free>);

#[derive(Debug, Default)]
struct Free {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Buffers {
    /// An empty buffer with memory.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut free = lock(&self.0);
        match free.buffers.pop() {
            Some(buffer) => {
                free.bytes -= buffer.capacity();
                buffer
            }
            None => {
                drop(free);
                Vec::with_capacity(RECV_CHUNK)
            }
        }
    }

    /// Takes the memory of a buffer back.
    pub(crate) fn put(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut free = lock(&self.0);
        // Smaller ones are of no use to the next query.
        if buffer.capacity() >= RECV_CHUNK && free.bytes + buffer.capacity() <= MAX_KEPT {
            free.bytes += buffer.capacity();
            free.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_no_more_than_its_limit() {
        let buffers = Buffers::default();
        for _ in 0..100 {
            buffers.put(Vec::with_capacity(MAX_KEPT / 4));
        }
        assert!(lock(&buffers.0).bytes <= MAX_KEPT);
        for _ in 0..100 {
            buffers.take();
        }
        assert_eq!(lock(&buffers.0).bytes, 0);
    }

    #[test]
    fn large_buffer_is_used_again() {
        let buffers = Buffers::default();
        let mut large = Vec::with_capacity(RECV_CHUNK * 3);
        large.push(1);
        buffers.put(large);
        let again = buffers.take();
        assert!(again.is_empty() && again.capacity() == RECV_CHUNK * 3);
    }
}
