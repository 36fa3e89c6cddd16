//! Commands about one client.

use gatewayworker_client::wire::{ClientId, Command};
use gatewayworker_client::{CallOptions, Cluster, Error};

use crate::arguments;
use crate::call::{Call, Result};
use crate::engine::{PhpString, Zv};
use crate::methods::indirect;
use crate::methods::protected::string;
use crate::overrides::Overrides;
use crate::target::Target;

/// A command about one client, with a text.
#[derive(Clone, Copy)]
pub enum ClientCommand {
    BindUid,
    UnbindUid,
    JoinGroup,
    LeaveGroup,
    SetSession,
    UpdateSession,
}

impl ClientCommand {
    pub fn number(self) -> Command {
        match self {
            Self::BindUid => Command::BindUid,
            Self::UnbindUid => Command::UnbindUid,
            Self::JoinGroup => Command::JoinGroup,
            Self::LeaveGroup => Command::LeaveGroup,
            Self::SetSession => Command::SetSession,
            Self::UpdateSession => Command::UpdateSession,
        }
    }

    fn send(
        self,
        cluster: &Cluster,
        id: ClientId,
        text: &[u8],
        options: CallOptions,
    ) -> std::result::Result<(), Error> {
        match self {
            Self::BindUid => cluster.bind_uid(id, text, options),
            Self::UnbindUid => cluster.unbind_uid(id, text, options),
            Self::JoinGroup => cluster.join_group(id, text, options),
            Self::LeaveGroup => cluster.leave_group(id, text, options),
            Self::SetSession => cluster.set_session(id, text, options),
            Self::UpdateSession => cluster.update_session(id, text, options),
        }
    }
}

/// Sends a command about the client of the first argument, with the second as its text.
pub fn about_client(call: &mut Call<'_>, command: ClientCommand) -> Result {
    if Overrides::of(call).sends {
        let (id, ext) = (call.arg_or_null(0), call.arg_or_null(1));
        return indirect::command(call, command.number(), id, &string(b""), ext, false).map(|_sent| ());
    }
    let client = arguments::client(call, 0)?;
    send_ext(call, command, client).map(|_sent| ())
}

/// Sends a command about a client, with the second argument as its text; whether it was taken. An
/// `empty()` one goes out as an empty text, as in the original; the gateway refuses it.
pub fn send_ext(call: &Call<'_>, command: ClientCommand, client: Option<ClientId>) -> Result<bool> {
    let Some(id) = client else { return Ok(false) };
    let value = call.arg_or_null(1);
    let text = if value.empty() { PhpString::new(b"") } else { arguments::string(1, value)? };
    send_text(call, command, id, text.as_bytes())
}

/// Sends a command about a client with a text; whether it was taken.
pub fn send_text(call: &Call<'_>, command: ClientCommand, id: ClientId, text: &[u8]) -> Result<bool> {
    Target::send_to(call, id, |cluster, options| command.send(cluster, id, text, options))
}
