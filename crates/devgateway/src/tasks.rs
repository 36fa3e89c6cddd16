//! Tasks that own sockets.

use tokio::task::AbortHandle;

/// Ends tasks; the sockets they own are closed when the future is ready.
pub(crate) async fn end(tasks: Vec<AbortHandle>) {
    tasks.iter().for_each(AbortHandle::abort);
    while !tasks.iter().all(AbortHandle::is_finished) {
        tokio::task::yield_now().await;
    }
}
