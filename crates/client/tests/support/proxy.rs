//! A TCP proxy that does wrong what networks and peers do wrong, as a test tells it.
//!
//! Each direction of each connection has a thread, which looks at its [`Flow`] again and again: a
//! fault takes effect on connections that are open already. Sleeping is part of the faults here,
//! and never a way to wait for something.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::own_address;

/// How often idle threads look for another order.
const LOOK: Duration = Duration::from_millis(1);

/// What happens to the bytes of one direction.
#[derive(Clone, Debug)]
pub enum Flow {
    /// They pass.
    Pass,
    /// Nothing is read, nor is the end of the connection noticed. In both directions: half-open.
    Hold,
    /// This many bytes more pass, on whatever connection; then both ends of the connection that
    /// carried the last one are closed, and all passes again.
    CutAfter(u64),
    /// At most `len` bytes at once, and a pause before each: a delay, a throttle, or byte by byte.
    Pieces { len: usize, pause: Duration },
    /// Whatever comes, these bytes are passed on in its stead.
    Instead(Vec<u8>),
}

/// To the target or back from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    There,
    Back,
}

/// A proxy in front of a gateway or a register.
#[derive(Debug)]
pub struct Proxy {
    pub address: String,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    listener: Mutex<Option<TcpListener>>,
    flows: Mutex<[Flow; 2]>,
    pairs: Mutex<Vec<[TcpStream; 2]>>,
    accepted: AtomicU64,
    ended: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Listens at an address of its own, in front of `target` (`ip:port`).
    pub fn to(target: &str) -> Self {
        let listener = listen(&own_address());
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            target: target.parse().unwrap(),
            listener: Mutex::new(Some(listener)),
            flows: Mutex::new([Flow::Pass, Flow::Pass]),
            pairs: Mutex::default(),
            accepted: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let acceptor = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.accept())
        };
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// From now on, one direction does this.
    pub fn set(&self, way: Way, flow: Flow) {
        lock(&self.shared.flows)[way as usize] = flow;
    }

    /// Both directions are as they should be.
    pub fn heal(&self) {
        *lock(&self.shared.flows) = [Flow::Pass, Flow::Pass];
    }

    /// The target vanishes without a word: nothing is read or written any more, and no connection
    /// ends.
    pub fn vanish(&self) {
        *lock(&self.shared.flows) = [Flow::Hold, Flow::Hold];
    }

    /// Closes all connections.
    pub fn cut(&self) {
        for pair in lock(&self.shared.pairs).drain(..) {
            close(&pair);
        }
    }

    /// Nobody listens any more: connections that are there stay, others are refused.
    pub fn refuse(&self) {
        *lock(&self.shared.listener) = None;
    }

    /// Listens again, at the same address.
    pub fn listen_again(&self) {
        *lock(&self.shared.listener) = Some(listen(&self.address));
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Whether [`Flow::CutAfter`] has cut.
    pub fn has_cut(&self, way: Way) -> bool {
        !matches!(lock(&self.shared.flows)[way as usize], Flow::CutAfter(_))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.refuse();
        self.cut();
        if let Some(acceptor) = self.acceptor.take() {
            // A panic of it has been printed.
            let _ = acceptor.join();
        }
        // It may have accepted one more.
        self.cut();
    }
}

fn listen(address: &str) -> TcpListener {
    let listener = TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

fn close(pair: &[TcpStream; 2]) {
    for stream in pair {
        // It may have been closed by its peer.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

impl Shared {
    fn accept(self: &Arc<Self>) {
        while !self.ended.load(Ordering::Relaxed) {
            let accepted = lock(&self.listener).as_ref().map(TcpListener::accept);
            let Some(Ok((client, _))) = accepted else {
                std::thread::sleep(LOOK);
                continue;
            };
            self.accepted.fetch_add(1, Ordering::Relaxed);
            // A target that is not there closes the connection: nothing else can be told to the
            // client.
            let Ok(server) = TcpStream::connect(self.target) else { continue };
            for stream in [&client, &server] {
                stream.set_nonblocking(false).unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(LOOK)).unwrap();
            }
            let both = || [client.try_clone().unwrap(), server.try_clone().unwrap()];
            lock(&self.pairs).push(both());
            for way in [Way::There, Way::Back] {
                let (shared, pair) = (Arc::clone(self), both());
                std::thread::spawn(move || {
                    shared.pump(&pair, way);
                    close(&pair);
                });
            }
        }
    }

    /// Passes bytes on until one of the two connections ends.
    fn pump(&self, pair: &[TcpStream; 2], way: Way) {
        let (from, to) = (&pair[way as usize], &pair[1 - way as usize]);
        let mut buffer = vec![0; 64 << 10];
        while !self.ended.load(Ordering::Relaxed) {
            if matches!(lock(&self.flows)[way as usize], Flow::Hold) {
                std::thread::sleep(LOOK);
                continue;
            }
            match from.peek(&mut [0]) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    continue;
                }
                Err(_) => return,
            }
            // Only now: while nothing came it may have become another one.
            let flow = lock(&self.flows)[way as usize].clone();
            let most = match &flow {
                Flow::Hold => continue,
                Flow::Pieces { len, .. } => *len,
                Flow::CutAfter(left) => usize::try_from(*left).unwrap().clamp(1, buffer.len()),
                Flow::Pass | Flow::Instead(_) => buffer.len(),
            };
            if let Flow::Pieces { pause, .. } = flow {
                std::thread::sleep(pause);
            }
            let Ok(len) = (&mut &*from).read(&mut buffer[..most]) else { return };
            let (bytes, cut) = match &flow {
                Flow::Instead(bytes) => (&bytes[..], false),
                Flow::CutAfter(_) => {
                    let (passing, cut) = self.count(way, len);
                    (&buffer[..passing], cut)
                }
                _ => (&buffer[..len], false),
            };
            if (&mut &*to).write_all(bytes).is_err() || cut {
                return;
            }
        }
    }

    /// Takes bytes off what may still pass: how many of them do, and whether that was all.
    fn count(&self, way: Way, len: usize) -> (usize, bool) {
        let flow = &mut lock(&self.flows)[way as usize];
        let Flow::CutAfter(left) = flow else { return (len, false) };
        let passing = usize::try_from(*left).unwrap().min(len);
        *left -= passing as u64;
        let cut = *left == 0;
        if cut {
            *flow = Flow::Pass;
        }
        (passing, cut)
    }
}
