//! The `mapscope` binary: arguments, opening the target, running an analysis, rendering.

mod args;
mod bar;
mod behind;
mod commands;
mod condition;
mod doctor;
mod exe_report;
mod exit;
mod failure;
mod image;
mod open;
mod output;
mod render;
mod repro;
mod session;
mod signals;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    match commands::run(cli.command) {
        Ok(outcome) => outcome.code(),
        Err(error) => {
            failure::tell(&error);
            ExitCode::from(exit::FAILED)
        }
    }
}
