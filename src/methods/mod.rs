//! What each method does. Where the original calls one public method from another through
//! `static::`, so that a subclass can override it, so do these: see [`crate::overrides`].
//!
//! | file | methods |
//! | --- | --- |
//! | [`send`] | `sendTo…` |
//! | [`close`] | `close…`, `destory…`, `destroy…` |
//! | [`session`] | sessions |
//! | [`uid`] | uids: binding them, who has one, lists |
//! | [`group`] | groups: joining and leaving them, what is in each |
//! | [`presence`] | who is online: `isOnline`, counts and lists of clients |
//! | [`fake`] | for tests of applications: `fake`, `sent` |
//! | [`protected`] | the protected methods, for subclasses |
//! | [`process`] | `setBusinessWorker`, `flush`, `confirm`, `status` |
//!
//! They share [`command`], commands about one client, and [`select`], queries with fields of
//! clients, and [`ids`], client ids of another form, and
//! [`indirect`], sends of a subclass that overrides a protected method.

pub mod close;
pub mod command;
pub mod fake;
pub mod group;
pub mod ids;
pub mod indirect;
pub mod presence;
pub mod process;
pub mod protected;
pub mod select;
pub mod send;
pub mod session;
pub mod uid;
