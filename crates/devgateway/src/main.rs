//! `gatewayd`: see `--help`.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use clap::Parser;
use gatewayworker_devgateway::{Devgateway, cli::Cli};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatewayd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before the line is printed, so that whoever reads it can end this process in an orderly way from then on.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let started = Devgateway::start(cli.config())?;
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", serde_json::to_string(started.addresses())?)?;
        stdout.flush()?;
        let (closed, stdin_closes) = oneshot::channel();
        if cli.until_stdin_closes {
            std::thread::spawn(move || {
                // An error is an end as well.
                let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
                let _ = closed.send(());
            });
        }
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            Ok(()) = stdin_closes, if cli.until_stdin_closes => {}
        }
        started.stop();
        Ok(())
    })
}
