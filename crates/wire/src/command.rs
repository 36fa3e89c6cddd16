//! The command numbers, byte 4 of a frame (`GatewayProtocol::CMD_*` in the original).

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What a frame asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Command {
            $($(#[$doc])* $name = $number,)*
        }

        impl TryFrom<u8> for Command {
            type Error = UnknownCommand;

            fn try_from(number: u8) -> Result<Self, UnknownCommand> {
                match number {
                    $($number => Ok(Self::$name),)*
                    _ => Err(UnknownCommand(number)),
                }
            }
        }
    };
}

commands! {
    /// Gateway → worker: a client connected.
    OnConnect = 1,
    /// Gateway → worker: a client sent a message.
    OnMessage = 3,
    /// Gateway → worker: a client went away.
    OnClose = 4,
    /// Send the body to one client.
    SendToOne = 5,
    /// Send the body to all clients, or to those in ext.
    SendToAll = 6,
    /// Send the body to one client, then close its connection.
    Kick = 7,
    /// Close a client's connection at once.
    Destroy = 8,
    /// Merge ext (a serialized session) into a client's session.
    UpdateSession = 9,
    /// Ask for the sessions of all clients.
    GetAllClientSessions = 10,
    /// Ask whether a client is connected.
    IsOnline = 11,
    /// Bind a client to the uid in ext.
    BindUid = 12,
    /// Unbind a client from its uid.
    UnbindUid = 13,
    /// Send the body to the clients of the uids in ext (a JSON list).
    SendToUid = 14,
    /// Ask for the connection ids of the uid in ext.
    GetClientIdByUid = 15,
    /// Ask for the connection ids of many uids (ext is a JSON list).
    BatchGetClientIdByUid = 16,
    /// Put a client into the group in ext.
    JoinGroup = 20,
    /// Take a client out of the group in ext.
    LeaveGroup = 21,
    /// Send the body to the clients of the groups in ext (JSON).
    SendToGroup = 22,
    /// Ask for the sessions of the clients of the group in ext.
    GetClientSessionsByGroup = 23,
    /// Ask for the number of clients in the group in ext, or of all where it is empty.
    GetClientCountByGroup = 24,
    /// Ask for fields of the clients that match (ext is JSON: `fields`, `where`).
    Select = 25,
    /// Ask for the ids of all groups.
    GetGroupIdList = 26,
    /// Dissolve the group in ext.
    Ungroup = 27,
    /// Ask for the numbers of clients of many groups (ext is a JSON list).
    BatchGetClientCountByGroup = 28,
    /// A BusinessWorker introduces itself (body is JSON: `worker_key`, `secret_key`).
    WorkerConnect = 200,
    /// Keeps a connection alive; gateways send it to workers.
    Ping = 201,
    /// A client such as this one introduces itself (body is JSON: `secret_key`).
    GatewayClientConnect = 202,
    /// Ask for the session of one client.
    GetSessionByClientId = 203,
    /// Replace a client's session by ext.
    SetSession = 204,
    /// Gateway → worker: a WebSocket handshake was completed.
    OnWebSocketConnect = 205,
}

impl Command {
    /// Whether a gateway replies to it.
    #[must_use]
    pub const fn is_query(self) -> bool {
        matches!(
            self,
            Self::GetAllClientSessions
                | Self::IsOnline
                | Self::GetClientIdByUid
                | Self::BatchGetClientIdByUid
                | Self::GetClientSessionsByGroup
                | Self::GetClientCountByGroup
                | Self::Select
                | Self::GetGroupIdList
                | Self::BatchGetClientCountByGroup
                | Self::GetSessionByClientId
        )
    }
}

/// A byte that is no command of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a command of the gateway protocol")]
pub struct UnknownCommand(pub u8);
