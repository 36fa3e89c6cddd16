//! The log, on standard error. Secrets never get here: no caller passes one.

use std::fmt::Display;

/// Writes one line.
pub(crate) fn complain(about: impl Display) {
    eprintln!("gatewayd: {about}");
}
