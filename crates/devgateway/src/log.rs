//! Complaints, on standard error. Secrets never get here: no caller hands one over.

use std::fmt::Display;

/// Writes one line.
pub(crate) fn complain(about: impl Display) {
    eprintln!("gatewayd: {about}");
}
