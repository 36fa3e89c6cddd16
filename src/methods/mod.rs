//! What each method does. Where the original calls one public method from another through
//! `static::`, so that a subclass can override it, so do these: see [`overrides`].
//!
//! | file | methods |
//! | --- | --- |
//! | [`send`] | `sendTo…` |
//! | [`close`] | `close…`, `destory…`, `destroy…` |
//! | [`session`] | sessions |
//! | [`uid`] | uids: binding them, who has one, lists |
//! | [`group`] | groups: joining and leaving them, what is in each |
//! | [`presence`] | who is online: `isOnline`, counts and lists of clients |
//! | [`process`] | `setBusinessWorker`, `flush`, `status` |
//!
//! They share [`command`], commands about one client, and [`select`], queries with fields of
//! clients, and [`ids`], client ids of another form.

pub mod close;
pub mod command;
pub mod group;
pub mod ids;
pub mod overrides;
pub mod presence;
pub mod process;
pub mod select;
pub mod send;
pub mod session;
pub mod uid;
