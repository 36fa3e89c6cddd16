//! `gatewayd`: see `--help`.

#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::mpsc;

use clap::Parser;
use gatewayworker_devgateway::{Devgateway, cli::Cli};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

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
    // Before the line is printed, so that whoever reads it can end this process in an orderly way
    // from then on. Not with tokio's own signals: built together with the extension, that feature
    // would be switched on there too.
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let started = Devgateway::start(cli.config())?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", serde_json::to_string(started.addresses())?)?;
    stdout.flush()?;
    let (end, ended) = mpsc::channel();
    if cli.until_stdin_closes {
        let end = end.clone();
        std::thread::spawn(move || {
            // An error is an end as well.
            let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
            let _ = end.send(());
        });
    }
    std::thread::spawn(move || {
        signals.forever().next();
        let _ = end.send(());
    });
    // Both threads being gone would be an end as well.
    let _ = ended.recv();
    started.stop();
    Ok(())
}
