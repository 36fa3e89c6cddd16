//! A listener that passes connections on, and what it does to them: delay, throttle, stall, cut,
//! refuse.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{sleep, timeout};

use crate::ledger::{Ledger, Reader};

/// What is done to all connections of a relay. It lasts until it is replaced.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Weather {
    /// Nothing is read.
    stalled: bool,
    /// Bytes are passed on this much later.
    delay_ms: u64,
    /// The most bytes per second and direction; none: any.
    bytes_per_second: Option<usize>,
}

/// An end of all connections that are open.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Cut {
    /// How many more bytes each of them passes on before, so that frames and replies are cut in the
    /// middle.
    after: usize,
    /// By a reset, as when a process is killed.
    reset: bool,
}

/// A connection that passes nothing on is not waited for.
const CUT_PATIENCE: Duration = Duration::from_millis(100);
const CHUNK: usize = 64 << 10;
const BACKLOG: u32 = 1024;

/// A relay.
pub struct Relay {
    /// Which gateway it leads to, for the ledger; none: it leads to the register.
    gateway: Option<usize>,
    upstream: RefCell<Option<SocketAddr>>,
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    /// Counts the cuts.
    cut: watch::Sender<(u64, Cut)>,
    listener: RefCell<Option<AbortHandle>>,
    ledger: Rc<RefCell<Ledger>>,
}

impl Relay {
    /// Listens at a free port.
    pub fn start(
        gateway: Option<usize>,
        upstream: SocketAddr,
        ledger: &Rc<RefCell<Ledger>>,
    ) -> io::Result<Rc<Self>> {
        let (listener, address) = listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let relay = Rc::new(Self {
            gateway,
            upstream: RefCell::new(Some(upstream)),
            address,
            weather: watch::Sender::default(),
            cut: watch::Sender::default(),
            listener: RefCell::default(),
            ledger: Rc::clone(ledger),
        });
        relay.accept(listener);
        Ok(relay)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets what is done to connections from now on.
    pub fn set_weather(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Ends all connections.
    pub fn cut(&self, cut: Cut) {
        self.cut.send_modify(|(count, last)| {
            *count += 1;
            *last = cut;
        });
    }

    /// Leads new connections elsewhere; none: they are closed at once.
    pub fn set_upstream(&self, upstream: Option<SocketAddr>) {
        self.upstream.replace(upstream);
    }

    /// Stops to listen, or goes on. Connections that are there stay.
    pub fn refuse(self: &Rc<Self>, on: bool) -> io::Result<()> {
        if on {
            if let Some(listener) = self.listener.take() {
                listener.abort();
            }
        } else if self.listener.borrow().is_none() {
            let (listener, _) = listen(self.address)?;
            self.accept(listener);
        }
        Ok(())
    }

    fn accept(self: &Rc<Self>, listener: TcpListener) {
        let relay = Rc::clone(self);
        let task = spawn_local(async move {
            loop {
                match listener.accept().await {
                    Ok((client, _)) => {
                        spawn_local(Rc::clone(&relay).serve(client));
                    }
                    Err(error) => {
                        eprintln!("soakproxy: cannot accept: {error}");
                        sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        });
        self.listener.replace(Some(task.abort_handle()));
    }

    async fn serve(self: Rc<Self>, mut client: TcpStream) {
        let upstream = *self.upstream.borrow();
        let Some(upstream) = upstream else { return };
        let mut cut = self.cut.subscribe();
        let Ok(mut server) = TcpStream::connect(upstream).await else { return };
        // Small replies follow each other; Nagle's algorithm would hold them back.
        let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
        let reader = self.gateway.map(Reader::new);
        let record = RefCell::new(reader);
        let weather = (self.weather.subscribe(), self.weather.subscribe());
        let budget = RefCell::new(None);
        let (by_sender, reset) = {
            let (client_read, client_write) = client.split();
            let (server_read, server_write) = server.split();
            let seen = |bytes: &[u8]| {
                if let Some(reader) = record.borrow_mut().as_mut() {
                    reader.read(bytes, &mut self.ledger.borrow_mut());
                }
            };
            let up = Direction { weather: weather.0, budget: &budget }.run(client_read, server_write, seen);
            let down =
                Direction { weather: weather.1, budget: &budget }.run(server_read, client_write, |_| {});
            tokio::pin!(up, down);
            let mut reset = false;
            let by_sender = tokio::select! {
                    end = &mut up => end == End::Source,
                    end = &mut down => end == End::Sink,
                    changed = cut.changed() => {
                        let Cut { after, reset: with_reset } = cut.borrow_and_update().1;
                        reset = with_reset;
                        if after > 0 && changed.is_ok() {
                            // Its own bytes end the connection, or else its time.
                            budget.replace(Some(after));
                            let _ = timeout(CUT_PATIENCE, async {
                                tokio::select! { _ = &mut up => {}, _ = &mut down => {} }
                            })
                            .await;
                        }
                        false
                    }
            };
            (by_sender, reset)
        };
        if reset {
            let _ = client.set_zero_linger();
        }
        if let Some(reader) = record.take() {
            reader.end(by_sender, &mut self.ledger.borrow_mut());
        }
    }
}

/// How one direction of a connection has ended.
#[derive(PartialEq, Eq)]
enum End {
    /// There is nothing more to read.
    Source,
    /// Nothing can be written any more.
    Sink,
    /// The budget is used up.
    Budget,
}

struct Direction<'a> {
    weather: watch::Receiver<Weather>,
    budget: &'a RefCell<Option<usize>>,
}

impl Direction<'_> {
    async fn run(
        mut self,
        mut source: impl AsyncReadExt + Unpin,
        mut sink: impl AsyncWriteExt + Unpin,
        seen: impl Fn(&[u8]),
    ) -> End {
        let mut buffer = vec![0; CHUNK];
        loop {
            if self.weather.wait_for(|weather| !weather.stalled).await.is_err() {
                return End::Budget;
            }
            let pace = self.weather.borrow().bytes_per_second;
            // A tenth of a second's share at a time.
            let share = pace.map_or(CHUNK, |pace| (pace / 10).clamp(1, CHUNK));
            let most = self.budget.borrow().map_or(share, |budget| budget.min(share));
            if most == 0 {
                return End::Budget;
            }
            let read = tokio::select! {
                read = source.read(&mut buffer[..most]) => read,
                // What is to be done now may have changed.
                changed = self.weather.changed() => {
                    if changed.is_err() {
                        return End::Budget;
                    }
                    continue;
                }
            };
            let Ok(read @ 1..) = read else { return End::Source };
            // A cut may have come meanwhile: the rest of these bytes goes down with the connection.
            let read = self.budget.borrow_mut().as_mut().map_or(read, |budget| {
                let passed = read.min(*budget);
                *budget -= passed;
                passed
            });
            let bytes = &buffer[..read];
            seen(bytes);
            let Weather { delay_ms, bytes_per_second, .. } = *self.weather.borrow_and_update();
            if delay_ms > 0 {
                sleep(Duration::from_millis(delay_ms)).await;
            }
            if sink.write_all(bytes).await.is_err() {
                return End::Sink;
            }
            if bytes_per_second.is_some() {
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    // So that it can come back while old connections linger in the kernel.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
