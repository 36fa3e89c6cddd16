//! Replies until they are read: the thread owns them, not whoever reads them.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use crate::gateway::Gateway;
use crate::receive::Reply;

/// A reply on its way to whoever reads it. Its connection is free for the next query.
#[derive(Debug)]
pub(super) struct ParkedReply {
    pub(super) gateway: Arc<Gateway>,
    pub(super) source: ReplySource,
    pub(super) reply: Reply,
}

/// Which connection a reply came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplySource {
    /// One of the pool, by its serial number.
    Pool(u64),
    /// The command link, by the number of its connection.
    Link(u64),
}

impl ParkedReply {
    /// The advertised ip and port of its gateway, and the payload.
    #[inline]
    pub(super) fn parts(&self) -> ((u32, u16), &[u8]) {
        let address = &self.gateway.address;
        ((address.ip, address.port), self.reply.payload())
    }

    /// After it was read: gives its memory back. A connection on which something else came than the reply is let go of.
    pub(super) fn settle(self, valid: bool) -> Arc<Gateway> {
        let Self { gateway, source, reply } = self;
        gateway.queries.buffers.put(reply.into_buffer());
        if !valid {
            match source {
                ReplySource::Pool(serial) => gateway.queries.discard(serial),
                ReplySource::Link(number) => gateway.link.distrust(number),
            }
        }
        gateway
    }
}

thread_local! {
    /// The replies that are being read on this thread, see [`Parked`]. Without a destructor: PHP code may ask when those of a
    /// thread have run.
    static PARKED: ManuallyDrop<RefCell<Vec<Option<ParkedReply>>>> =
        const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

/// The places of some replies in what this thread keeps, one behind the other. The thread owns them, not whoever reads them:
/// a reader that PHP's engine has jumped out of is never dropped.
///
/// While a reply is read, PHP code may run that sends queries as well, also on another stack (a fiber) that is not done when this
/// one is. So each takes out its own replies only, and no place is used again before all behind it are empty.
#[derive(Debug, Default)]
pub(super) struct Parked {
    next: usize,
    end: usize,
    /// It belongs to the thread.
    _thread: PhantomData<*const ()>,
}

impl Parked {
    /// Adds a reply, before any is read.
    pub(super) fn push(&mut self, reply: ParkedReply) {
        PARKED.with(|parked| {
            let mut parked = parked.borrow_mut();
            if self.next == self.end {
                (self.next, self.end) = (parked.len(), parked.len());
            }
            debug_assert_eq!(self.end, parked.len(), "nobody else has added one meanwhile");
            parked.push(Some(reply));
            self.end += 1;
        });
    }

    /// How many are left.
    pub(super) fn len(&self) -> usize {
        self.end - self.next
    }

    /// The next reply: the advertised ip and port of its gateway, and the payload.
    #[inline]
    pub(super) fn first(&self) -> Option<((u32, u16), &[u8])> {
        if self.next == self.end {
            return None;
        }
        let (address, payload) = PARKED.with(|parked| {
            let parked = parked.borrow();
            let (address, payload) = parked.get(self.next)?.as_ref()?.parts();
            Some((address, std::ptr::from_ref(payload)))
        })?;
        // SAFETY: the payload is on the heap, where it stays when the list moves. It is freed when the reply is taken out of
        // the list: by this, which take() borrows mutably; or by forget(), whose caller says that nobody reads.
        Some((address, unsafe { &*payload }))
    }

    /// Takes the next reply out.
    pub(super) fn take(&mut self) -> Option<ParkedReply> {
        if self.next == self.end {
            return None;
        }
        PARKED.with(|parked| {
            let mut parked = parked.borrow_mut();
            let reply = parked.get_mut(self.next)?.take();
            self.next += 1;
            while let Some(None) = parked.last() {
                parked.pop();
            }
            reply
        })
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        while self.take().is_some() {}
    }
}

/// Frees the replies of this thread that nobody has read to their end, because the reader was jumped out of (`longjmp`): a
/// program in which that can happen calls this afterwards.
///
/// # Safety
/// No reply is being read on this thread: all readers have returned, or their stack is never returned to.
pub unsafe fn forget() {
    // They are dropped when the list is free again.
    let _left = PARKED.with(|parked| parked.take());
}
