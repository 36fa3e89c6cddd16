//! The PHP binding of the GatewayWorker client: `GatewayWorker\Lib\Gateway` as an extension.
//!
//! Nothing here opens a socket (that is [`gatewayworker_client`]), and nothing there knows the
//! engine. The way of a call: [`surface`] (which methods there are) → [`call`] (the frame of one
//! call) → [`methods`] (what each does) → the core.

// The one public function is made by a macro, which drops its doc comment.
#![allow(missing_docs)]
// For those who read the code: nothing else of this crate is public, so its documentation is that
// of private items.
#![allow(rustdoc::private_intra_doc_links)]

mod arguments;
mod call;
mod classes;
mod context;
mod engine;
mod exceptions;
mod log;
mod methods;
mod overrides;
mod phpinfo;
mod recorder;
mod settings;
mod statics;
mod surface;
mod target;
mod worker;

use ext_php_rs::prelude::*;
use ext_php_rs::zend::ModuleEntry;
use gatewayworker_client::Process;

use crate::classes::GatewayClass;

/// The start of the module: settings and classes are registered. No thread is started and no socket
/// opened here: the process may fork yet.
extern "C" fn startup(_kind: i32, module: i32) -> i32 {
    guarded(|| {
        engine::names::start();
        settings::register(module);
        if settings::enabled() {
            engine::autoload::start();
            engine::exec::start(flush_before_exec);
            exceptions::register();
            classes::register(GatewayClass::Worker, &surface::GATEWAY);
            if settings::gateway_client() {
                classes::register(GatewayClass::Client, &surface::GATEWAY_CLIENT);
            }
        }
    })
}

/// The end of the module: what was accepted is delivered, within `gatewayworker.flush_timeout`; the
/// background ends.
extern "C" fn shutdown(_kind: i32, module: i32) -> i32 {
    guarded(|| {
        let flush = settings::flush_timeout();
        let end = Process::shutdown(flush);
        engine::globals::prepare_log_at_end();
        for line in end.log {
            engine::globals::log_line(&line);
        }
        for left in end.undelivered {
            log::undelivered(&left, flush);
        }
        engine::autoload::stop();
        settings::unregister(module);
    })
}

extern "C" fn request_startup(_kind: i32, _module: i32) -> i32 {
    // PHP code may have run after the end of the last request was told to us.
    guarded(|| {
        forget_replies();
        target::abandon();
        recorder::abandon();
        statics::forget();
        context::forget();
        overrides::forget();
        classes::start_request();
        engine::exec::start_request();
    })
}

/// The end of a request: whatever points into the request's memory is let go.
extern "C" fn request_shutdown(_kind: i32, _module: i32) -> i32 {
    guarded(|| {
        forget();
        settings::keep_flush_timeout();
        log::write_background_lines();
    })
}

/// Delivers what was accepted before another program takes the place of this process, which then has
/// no end.
fn flush_before_exec() {
    let timeout = settings::flush_timeout();
    for left in Process::existing().map(|process| process.flush(timeout)).unwrap_or_default() {
        log::undelivered(&left, timeout);
    }
    log::write_background_lines();
}

fn forget() {
    forget_replies();
    target::forget();
    recorder::stop();
    statics::forget();
    context::forget();
    overrides::forget();
}

/// Frees replies, and lists made of them, that were being read when memory ran out: the engine has
/// jumped out of the call.
fn forget_replies() {
    // SAFETY: between requests no method of ours is running: all have returned, or their frames are
    // gone with the request's stack. Fibers are unwound before, or were given up without being
    // resumed.
    #[allow(unsafe_code)]
    unsafe {
        gatewayworker_client::replies::forget();
        engine::lists::forget();
    }
}

extern "C" fn show_info(module: *mut ModuleEntry) {
    guarded(|| {
        phpinfo::show();
        // SAFETY: this is our info function, and the engine has passed the module to it.
        #[allow(unsafe_code)]
        unsafe {
            engine::ini::show_all(module);
        }
    });
}

/// A panic must not cross into the engine. 0 is the engine's success, -1 its failure.
fn guarded(run: impl FnOnce()) -> i32 {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
        Ok(()) => 0,
        Err(_) => -1,
    }
}

/// The module, as the engine finds it.
#[php_module]
pub fn get_module(module: ModuleBuilder) -> ModuleBuilder {
    module
        .name("gatewayworker")
        .startup_function(startup)
        .shutdown_function(shutdown)
        .request_startup_function(request_startup)
        .request_shutdown_function(request_shutdown)
        .info_function(show_info)
}
