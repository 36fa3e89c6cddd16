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
    /// The one that is connected.
    pub connected: Option<String>,
    /// How many lists have come.
    pub lists: u64,
    /// How old the last one is, in seconds.
    pub list_age: Option<f64>,
    /// What went wrong last, also where all is well since.
    pub last_error: Option<String>,
    /// How long ago that was, in seconds.
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
    /// Connected, and the list has come.
    Online,
    /// No register could be reached, or the connection was lost. It is tried again; the last list is kept.
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
