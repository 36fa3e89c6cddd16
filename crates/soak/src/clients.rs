//! The clients of the gateways: they read all that they are sent, and come back when they are
//! closed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::sleep;

/// How soon a client comes back.
const PAUSE: Duration = Duration::from_millis(100);

/// The clients of one gateway.
#[derive(Default)]
pub struct Clients {
    ids: RefCell<BTreeSet<String>>,
    bytes: Cell<u64>,
}

/// What a gateway says first.
#[derive(Deserialize)]
struct Greeting {
    client_id: String,
}

impl Clients {
    /// Keeps so many of them connected to the port for clients that speak in lines.
    pub fn start(gateway: SocketAddr, count: usize) -> Rc<Self> {
        let clients = Rc::new(Self::default());
        for _ in 0..count {
            let clients = Rc::clone(&clients);
            spawn_local(async move {
                loop {
                    if let Ok(stream) = TcpStream::connect(gateway).await {
                        clients.serve(stream).await;
                    }
                    sleep(PAUSE).await;
                }
            });
        }
        clients
    }

    /// The client ids of those that are connected.
    pub fn ids(&self) -> Vec<String> {
        self.ids.borrow().iter().cloned().collect()
    }

    /// How many bytes they have read.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    async fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        if stream.read_line(&mut line).await.is_err() {
            return;
        }
        let Ok(Greeting { client_id }) = serde_json::from_str(&line) else { return };
        self.ids.borrow_mut().insert(client_id.clone());
        let mut buffer = vec![0; 16 << 10];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            self.bytes.set(self.bytes.get() + read as u64);
        }
        self.ids.borrow_mut().remove(&client_id);
    }
}
