//! The last error, and when it happened: kept after recovery, for whoever looks at it later.

use std::sync::Mutex;
use std::time::Instant;

use crate::sys::lock::lock;

/// The last error of something; none at first.
#[derive(Debug, Default)]
pub(crate) struct LastError(Mutex<Option<(String, Instant)>>);

impl LastError {
    /// Records an error that happened now.
    #[cold]
    pub(crate) fn set(&self, text: String) {
        *lock(&self.0) = Some((text, Instant::now()));
    }

    /// The error, and its age in seconds.
    pub(crate) fn get(&self) -> (Option<String>, Option<f64>) {
        match &*lock(&self.0) {
            Some((text, at)) => (Some(text.clone()), Some(at.elapsed().as_secs_f64())),
            None => (None, None),
        }
    }
}
