//! What a link's connection is doing, as the status shows it.

use std::fmt;

use serde::Serialize;

/// What a link's connection is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "error")]
pub enum LinkState {
    /// Nobody has needed it yet.
    Unused,
    /// Being connected.
    Connecting,
    /// Connected and authenticated.
    Online,
    /// The last attempt failed, or the connection ended; why. It is tried again.
    Failed(String),
    /// The gateway has left the cluster.
    Retired,
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unused => f.write_str("unused"),
            Self::Connecting => f.write_str("connecting"),
            Self::Online => f.write_str("online"),
            Self::Failed(reason) => write!(f, "failed ({reason})"),
            Self::Retired => f.write_str("retired"),
        }
    }
}
