//! The hand-over of frames from a caller to the background, through the client's own operations, to
//! loopback sockets whose bytes the kernel discards.

// The macros of criterion make public functions.
#![allow(missing_docs)]

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gatewayworker_client::wire::ClientId;
use gatewayworker_client::{CallOptions, Cluster, ClusterId, Discovery, Message, Process, Secret, Settings};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};

const BODY: [u8; 32] = [b'm'; 32];
/// How many calls a burst has: its frames fit into the queue of a gateway, so that no call finds it
/// full.
const BURST: u64 = 10_000;
/// As many lone frames in a row as a caller sends itself, and a pause after which a new row begins:
/// see
/// `crates/client/src/link/send_queue`. [`lone`] counts whether it was so.
const ROW: u64 = 8;
const PAUSE: Duration = Duration::from_micros(400);
/// Far more than anything takes.
const SAFETY_NET: Duration = Duration::from_secs(20);

/// A cluster of gateways that discard everything, connected.
struct Gateways {
    process: &'static Process,
    cluster: &'static Cluster,
    first: ClientId,
}

impl Gateways {
    fn connect(count: usize) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let process = Process::current(Settings::default).expect("the background starts");
        // Worker mode: the caller says which gateways there are, so that no register is needed.
        let discovery = Discovery::Caller(NUMBER.fetch_add(1, Ordering::Relaxed));
        let id = ClusterId { user: "bench", discovery, secret: Secret::default() };
        let cluster = process.cluster(id);
        let addresses = listen(count).expect("loopback ports are to be had");
        cluster.follow(&addresses);
        let first: std::net::SocketAddrV4 = addresses[0].parse().expect("an address");
        let first = ClientId { ip: first.ip().to_bits(), port: first.port(), connection: 1 };
        let gateways = Self { process, cluster, first };
        gateways.fan_out();
        gateways.flush();
        gateways
    }

    fn fan_out(&self) {
        let message = Message::text(&BODY);
        self.cluster.send_to_uids(b"[\"user-1\"]", message, CallOptions::default()).expect("there is room");
    }

    fn send_to_client(&self) {
        self.cluster
            .send_to_client(self.first, Message::text(&BODY), CallOptions::default())
            .expect("there is room");
    }

    /// Waits until everything is with the kernel.
    fn flush(&self) {
        assert_eq!(self.process.flush(SAFETY_NET), []);
    }

    /// How many frames callers have sent themselves.
    fn direct(&self) -> u64 {
        self.cluster.status().gateways.iter().map(|gateway| gateway.commands.direct).sum()
    }
}

impl Drop for Gateways {
    /// Closes the connections.
    fn drop(&mut self) {
        self.cluster.follow::<&str>(&[]);
    }
}

/// Opens loopback ports that accept connections and discard what comes, as long as the process
/// lives; their addresses.
fn listen(count: usize) -> io::Result<Vec<String>> {
    let listeners =
        (0..count).map(|_| std::net::TcpListener::bind("127.0.0.1:0")).collect::<io::Result<Vec<_>>>()?;
    let addresses = listeners.iter().map(|listener| Ok(listener.local_addr()?.to_string())).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            for listener in listeners {
                listener.set_nonblocking(true).expect("a socket");
                let listener = TcpListener::from_std(listener).expect("a socket");
                tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(discard(stream));
                    }
                });
            }
            std::future::pending::<()>().await;
        });
    });
    addresses
}

async fn discard(stream: TcpStream) {
    // With MSG_TRUNC, a TCP socket of Linux copies nothing.
    let mut nothing = vec![MaybeUninit::uninit(); 1 << 20];
    while stream.readable().await.is_ok() {
        let received = stream.try_io(Interest::READABLE, || {
            SockRef::from(&stream).recv_with_flags(&mut nothing, libc::MSG_TRUNC)
        });
        match received {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}

/// Lone frames: the caller sends each itself, so that its time is mostly that of the system call.
fn lone(criterion: &mut Criterion) {
    let gateways = Gateways::connect(1);
    let deadline = Instant::now() + SAFETY_NET;
    // The turn is the caller's once the background has found nothing more to write.
    while gateways.direct() == 0 {
        assert!(Instant::now() < deadline, "no frame was sent by the caller");
        std::thread::sleep(PAUSE);
        gateways.send_to_client();
    }
    let mut group = criterion.benchmark_group("queue");
    // Most of the time goes into the pauses.
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    group.bench_function("lone frame, by the caller", |bencher| {
        bencher.iter_custom(|frames| {
            let direct = gateways.direct();
            let mut spent = Duration::ZERO;
            for frame in 0..frames {
                if frame % ROW == 0 {
                    std::thread::sleep(PAUSE);
                }
                let start = Instant::now();
                gateways.send_to_client();
                spent += start.elapsed();
            }
            assert_eq!(gateways.direct() - direct, frames, "the background has sent some of the frames");
            spent
        });
    });
    group.finish();
}

/// Bursts: the caller appends, and the background writes. Once the time of the caller alone, and
/// once the time until all is with the kernel; per call, so that it grows with the number of
/// gateways.
fn burst(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue");
    group.throughput(Throughput::Elements(BURST));
    for count in [1, 4, 16] {
        let gateways = Gateways::connect(count);
        let send = || (0..BURST).for_each(|_| gateways.fan_out());
        group.bench_function(BenchmarkId::new("burst, by the caller", count), |bencher| {
            bencher.iter_custom(|bursts| {
                let mut spent = Duration::ZERO;
                for _ in 0..bursts {
                    let start = Instant::now();
                    send();
                    spent += start.elapsed();
                    gateways.flush();
                }
                spent
            });
        });
        group.bench_function(BenchmarkId::new("burst, until it is written", count), |bencher| {
            bencher.iter(|| {
                send();
                gateways.flush();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, lone, burst);
criterion_main!(benches);
