//! Commands about one client.

use gatewayworker_client::wire::{ClientId, Command};

use crate::arguments;
use crate::call::{Call, Result};
use crate::engine::{PhpString, Zv};
use crate::methods::indirect;
use crate::methods::protected::string;
use crate::overrides::Overrides;
use crate::target::Target;

pub fn about_client(call: &mut Call<'_>, command: Command) -> Result {
    if Overrides::of(call).sends {
        let (id, ext) = (call.arg_or_null(0), call.arg_or_null(1));
        return indirect::command(call, command, id, &string(b""), ext, false).map(|_sent| ());
    }
    let client = arguments::client(call, 0)?;
    send_ext(call, command, client).map(|_sent| ())
}

/// Sends a command about a client, with the second argument as its text; whether it was taken. An
/// `empty()` one goes out as an empty text, as in the original; the gateway refuses it.
pub fn send_ext(call: &Call<'_>, command: Command, client: Option<ClientId>) -> Result<bool> {
    let Some(id) = client else { return Ok(false) };
    let value = call.arg_or_null(1);
    let text = if value.empty() { PhpString::new(b"") } else { arguments::string(1, value)? };
    send_text(call, command, id, text.as_bytes())
}

/// Sends a command about a client with a text; whether it was taken.
pub fn send_text(call: &Call<'_>, command: Command, id: ClientId, text: &[u8]) -> Result<bool> {
    Target::send_to(call, id, |cluster, options| cluster.about_client(command, id, text, options))
}
