//! The whole way of a reply, from a gateway's socket to the result of each query. The result is
//! what the bytes say, or an error that names the gateway; never anything else, and never an
//! earlier reply.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use gatewayworker_client::wire::client_id::ClientIdPrefix;
use gatewayworker_client::wire::php::{Key, Scalar};
use gatewayworker_client::wire::{ClientId, Command, Frame};
use gatewayworker_client::{
    CallOptions, Cluster, ClusterId, Discovery, Error, Fields, OnUnavailable, Process, Secret, Settings,
    reply,
};

use crate::memory::bounded;
use crate::reply::{Same, Tree, int};

/// Nothing here takes that long; it only ends a check that would hang.
const PATIENCE: CallOptions = CallOptions {
    connect_timeout: Duration::from_secs(60),
    query_timeout: Duration::from_secs(60),
    on_unavailable: OnUnavailable::Fail,
};
const MAX_REPLY: usize = 1 << 20;
/// What a query may allocate besides the reply, whatever length is announced: a buffer of two
/// pieces of 64 KiB, while it grows.
const PER_QUERY: usize = 256 << 10;
/// What a result may take for each byte of a reply.
const PER_BYTE: usize = 64;

/// Queries a gateway that replies with bytes of `data`. The first byte selects the query, the
/// second how the reply arrives.
pub fn check(data: &[u8]) {
    let [query, way, rest @ ..] = data else { return };
    let gateway = Gateway::running();
    let query = &QUERIES[usize::from(*query) % QUERIES.len()];
    match way % 4 {
        // As a gateway replies.
        0 => gateway.replies(query, rest, rest.len()),
        // The same, in two pieces.
        1 => gateway.replies(query, rest, usize::from(*way) / 4),
        // With any bytes for its length.
        2 if *way < 4 => gateway.misleads(query, rest),
        // With a length that is a little too long or too short, or about as long as it may be.
        2 => {
            let mut bytes = framed(rest);
            let wrong = match usize::from(*way / 4) {
                near @ ..56 => (rest.len() + near).saturating_sub(28),
                longest => MAX_REPLY - 60 + longest,
            };
            bytes[..4].copy_from_slice(&u32::try_from(wrong).unwrap().to_be_bytes());
            gateway.misleads(query, &bytes);
        }
        // With too few bytes, and then the end.
        _ => {
            let mut bytes = framed(rest);
            bytes.truncate(bytes.len() - 1 - usize::from(*way) / 4 % bytes.len());
            gateway.misleads(query, &bytes);
        }
    }
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

/// A query: how it is made, which returns a description of the result; and which one is due for a
/// payload.
struct Query {
    command: Command,
    run: fn(&Gateway) -> Result<String, Error>,
    due: fn(&Tree<'_>, &[u8], ClientIdPrefix) -> Option<String>,
}

const QUERIES: [Query; 13] = [
    Query {
        command: Command::IsOnline,
        run: |at| Ok(at.cluster.is_online(at.client, PATIENCE)?.to_string()),
        due: |tree, _, _| Some(int(tree)?.to_string()),
    },
    Query {
        command: Command::GetSessionByClientId,
        run: |at| {
            let mut session = String::new();
            at.cluster.session(at.client, PATIENCE, |payload| {
                session = format!("{payload:?}");
                Ok(())
            })?;
            Ok(session)
        },
        due: |_, payload, _| Some(format!("{payload:?}")),
    },
    Query {
        command: Command::Select,
        run: |at| {
            let mut uids = String::new();
            at.cluster.uid_of_client(at.client, PATIENCE, |uid| uids += &format!("{uid:?}"))?;
            Ok(uids)
        },
        due: |tree, _, _| Some(tree.selected()?.iter().map(|(_, Same(uid), _)| format!("{uid:?}")).collect()),
    },
    Query {
        command: Command::GetClientCountByGroup,
        run: |at| Ok(at.cluster.client_count(b"", PATIENCE)?.to_string()),
        due: |tree, _, _| Some(int(tree)?.to_string()),
    },
    Query {
        command: Command::BatchGetClientCountByGroup,
        run: |at| {
            let mut counts = String::new();
            at.cluster.client_counts(b"[]", PATIENCE, |group, count| counts += &pair(&group, count))?;
            Ok(counts)
        },
        due: |tree, _, _| Some(tree.counts()?.iter().map(|(group, count)| pair(group, *count)).collect()),
    },
    Query {
        command: Command::GetClientIdByUid,
        run: |at| {
            let mut clients = String::new();
            at.cluster.clients_of_uid(b"u", PATIENCE, |prefix, payload, _| {
                reply::connections(payload, |connection| clients += &text(prefix.with(connection)))
            })?;
            Ok(clients)
        },
        due: |tree, _, prefix| {
            Some(tree.connections()?.iter().map(|connection| text(prefix.with(*connection))).collect())
        },
    },
    Query {
        command: Command::BatchGetClientIdByUid,
        run: |at| {
            let mut clients = String::new();
            at.cluster.clients_of_uids(b"[]", PATIENCE, |uid, client| match client {
                Some(client) => clients += &text(client),
                None => clients += &pair(&uid, 0),
            })?;
            Ok(clients)
        },
        due: |tree, _, prefix| {
            let list = |(uid, list): &(Key<'_>, Vec<u32>)| {
                let clients = list.iter().map(|connection| text(prefix.with(*connection)));
                std::iter::once(pair(uid, 0)).chain(clients).collect::<String>()
            };
            Some(tree.connections_by_uid()?.iter().map(list).collect())
        },
    },
    Query {
        command: Command::GetGroupIdList,
        run: |at| {
            let mut groups = String::new();
            at.cluster.group_ids(PATIENCE, |group| {
                groups += &format!("{group:?}");
                Ok(())
            })?;
            Ok(groups)
        },
        due: |tree, _, _| Some(tree.group_ids()?.iter().map(|Same(group)| format!("{group:?}")).collect()),
    },
    Query { command: Command::GetAllClientSessions, run: |at| sessions(at, None), due: sessions_due },
    Query {
        command: Command::GetClientSessionsByGroup,
        run: |at| sessions(at, Some(b"g")),
        due: sessions_due,
    },
    Query { command: Command::Select, run: |at| select(at, Fields::Uid, None), due: select_due },
    Query {
        command: Command::Select,
        run: |at| select(at, Fields::Groups, Some(b"[\"g\"]")),
        due: select_due,
    },
    Query { command: Command::Select, run: |at| select(at, Fields::UidAndGroups, None), due: select_due },
];

fn sessions(at: &Gateway, group: Option<&[u8]>) -> Result<String, Error> {
    let mut sessions = String::new();
    at.cluster.sessions(group, PATIENCE, |client, session| {
        sessions += &(text(client) + &format!("{session:?}"));
        Ok(())
    })?;
    Ok(sessions)
}

fn sessions_due(tree: &Tree<'_>, _: &[u8], prefix: ClientIdPrefix) -> Option<String> {
    let row = |(connection, session): &(u32, &[u8])| text(prefix.with(*connection)) + &format!("{session:?}");
    Some(tree.sessions()?.iter().map(row).collect())
}

fn select(at: &Gateway, fields: Fields, groups: Option<&[u8]>) -> Result<String, Error> {
    let mut rows = String::new();
    at.cluster.select_rows(fields, groups, PATIENCE, |client, uid, groups| {
        rows += &(text(client) + &format!("{:?}", uid.scalar()));
        groups.each(|group| rows += &format!("{group:?}"))
    })?;
    Ok(rows)
}

fn select_due(tree: &Tree<'_>, _: &[u8], prefix: ClientIdPrefix) -> Option<String> {
    let mut rows = String::new();
    for (connection, Same(uid), groups) in tree.selected()? {
        rows += &(text(prefix.with(connection)) + &format!("{uid:?}"));
        rows.extend(groups.iter().map(|Same(group)| format!("{group:?}")));
    }
    Some(rows)
}

fn text(client: [u8; ClientId::LEN]) -> String {
    String::from_utf8(client.to_vec()).unwrap()
}

fn pair(key: &Key<'_>, value: i64) -> String {
    format!(
        "{:?}={value};",
        match key {
            Key::Int(number) => Scalar::Int(*number),
            Key::Str(bytes) => Scalar::Str(bytes),
        }
    )
}

/// What a gateway sends for each query: pieces, and then the end of the connection if that is not a
/// whole reply.
#[derive(Clone, Debug, Default)]
struct Script {
    pieces: Vec<Vec<u8>>,
    ends: bool,
}

/// A gateway on a loopback address that replies as scripted, and the cluster that consists of it.
struct Gateway {
    cluster: &'static Cluster,
    /// A client at this gateway.
    client: ClientId,
    address: String,
    script: Arc<Mutex<Script>>,
}

impl Gateway {
    /// The one of this process.
    fn running() -> &'static Self {
        static GATEWAY: OnceLock<Gateway> = OnceLock::new();
        GATEWAY.get_or_init(Self::start)
    }

    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let script = Arc::new(Mutex::new(Script::default()));
        let told = Arc::clone(&script);
        // As many connections at once: one for commands, one for queries, and some that have ended.
        // Not a thread for each: one that begins or ends while LeakSanitizer looks has memory that
        // nobody seems to own.
        let listener = Arc::new(listener);
        for _ in 0..16 {
            let (listener, told) = (Arc::clone(&listener), Arc::clone(&told));
            thread::spawn(move || {
                for stream in listener.incoming() {
                    serve(stream.unwrap(), &told);
                }
            });
        }
        let settings = || Settings { max_reply: MAX_REPLY, ..Settings::default() };
        let cluster = Process::current(settings).unwrap().cluster(ClusterId {
            user: "fuzz",
            discovery: Discovery::Caller(0),
            secret: Secret::default(),
        });
        cluster.follow(&[&address]);
        let parts: SocketAddrV4 = address.parse().unwrap();
        let client = ClientId { ip: parts.ip().to_bits(), port: parts.port(), connection: 7 };
        Self { cluster, client, address, script }
    }

    /// The gateway replies with this payload, in two pieces if `cut` lies within it.
    fn replies(&self, query: &Query, payload: &[u8], cut: usize) {
        let bytes = framed(payload);
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        let result = self.query(query, vec![first.to_vec(), second.to_vec()], false, payload.len());
        let prefix = ClientIdPrefix::new(self.client.ip, self.client.port);
        // A session is passed on unread.
        let tree = match Tree::read(payload) {
            Err(_) if query.command == Command::GetSessionByClientId => Some(Tree::Engine),
            tree => tree.ok(),
        };
        match tree.and_then(|tree| (query.due)(&tree, payload, prefix)) {
            Some(due) => assert_eq!(result.unwrap(), due),
            None => {
                let error = result.unwrap_err();
                assert!(
                    matches!(&error, Error::BadReply { gateway, command, .. }
                        if **gateway == *self.address && *command == query.command),
                    "{error}"
                );
            }
        }
    }

    /// The gateway replies with these bytes, which need not begin with their length, and closes.
    fn misleads(&self, query: &Query, bytes: &[u8]) {
        let announced = bytes.first_chunk().map(|length| u32::from_be_bytes(*length) as usize);
        let result = self.query(query, vec![bytes.to_vec()], true, bytes.len());
        let error = match announced {
            Some(announced) if announced == bytes.len() - 4 => return,
            _ => result.unwrap_err(),
        };
        let named = match (&error, announced) {
            (Error::ReplyTooLong { gateway, len, max, .. }, Some(announced)) if announced > MAX_REPLY => {
                assert_eq!((*len, *max), (announced, MAX_REPLY));
                gateway
            }
            (Error::BadReply { gateway, .. }, Some(announced)) if announced < bytes.len() - 4 => gateway,
            (Error::Closed { gateway, .. }, None) => gateway,
            (Error::Closed { gateway, .. }, Some(announced))
                if announced > bytes.len() - 4 && announced <= MAX_REPLY =>
            {
                gateway
            }
            _ => panic!("{bytes:?} led to {error}"),
        };
        assert_eq!(**named, *self.address);
    }

    fn query(&self, query: &Query, pieces: Vec<Vec<u8>>, ends: bool, len: usize) -> Result<String, Error> {
        *self.script.lock().unwrap() = Script { pieces, ends };
        bounded(PER_QUERY + PER_BYTE * len, || (query.run)(self))
    }
}

fn serve(mut stream: TcpStream, script: &Mutex<Script>) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::new();
    loop {
        let whole = Frame::decode(&buffer, 1 << 20).unwrap().map(|(_, len)| len);
        let Some(len) = whole else {
            let mut piece = [0; 4096];
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(read) => buffer.extend_from_slice(&piece[..read]),
            }
            continue;
        };
        buffer.drain(..len);
        let Script { pieces, ends } = script.lock().unwrap().clone();
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            if stream.write_all(piece).is_err() {
                return;
            }
        }
        if ends {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
}
