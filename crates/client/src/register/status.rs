//! The state of a subscription, as the status shows it.

use std::fmt;

use serde::Serialize;

/// The state of a subscription, as [`Cluster::status`](crate::Cluster::status) shows it.
#[derive(Clone, Debug, Serialize)]
pub struct RegisterStatus {
    /// The registers, in the order in which they are tried.
    pub registers: Vec<String>,
    /// What the subscription is doing.
    pub state: RegisterState,
    /// The register that is connected.
    pub connected: Option<String>,
    /// The number of lists received.
    pub lists: u64,
    /// The age of the last one, in seconds.
    pub list_age: Option<f64>,
    /// The last error, kept after recovery.
    pub last_error: Option<String>,
    /// Its age, in seconds.
    pub last_error_age: Option<f64>,
}

/// What a subscription is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RegisterState {
    /// Nobody has needed it yet.
    Unused,
    /// Being connected, or waiting for the list.
    Connecting,
    /// Connected, and the list has arrived.
    Online,
    /// No register could be reached, or the connection was lost. It keeps trying; the last list
    /// stays valid.
    Failed,
}

impl fmt::Display for RegisterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unused => "unused",
            Self::Connecting => "connecting",
            Self::Online => "online",
            Self::Failed => "failed",
        })
    }
}
