//! The command line of `ferric`.

use crate::{
    completions, config, links, man, migrate, offline_site, options, personality, run, serve, shelf, site, tape,
};
use clap::{CommandFactory, Parser, Subcommand};

/// Serve and operate virtual tape libraries
#[derive(Parser)]
#[command(name = "ferric", version, max_term_width = command_line::HELP_WIDTH, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  ferric serve iscsi           # a library with two LTO-8 drives, with its data in ./ferric-data
  ferric status                # every drive, slot and cartridge
  ferric --data /srv/tapes load V00001L8
  ferric tape create ./V00100L8 --size 10GB

Environment:
  FERRIC_DATA    data directory of the daemon, if --data is not given
  FERRIC_SOCKET  control socket, if neither --socket nor --data is given; ferric run sets it for its command

Exit codes:
  0  done
  1  refused or failed
  2  the command line is wrong";

#[derive(Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Site(site::Command),
    /// Serve libraries to hosts until a signal ends the process: over iSCSI, or through mhvtl's kernel module
    #[command(
        subcommand,
        after_help = "Examples:\n  ferric serve iscsi --data ./tapes --bind 127.0.0.1:0\n  ferric serve mhvtl --mhvtl-config ./mhvtl --data ./tapes"
    )]
    Serve(serve::Command),
    /// Create, inspect, check, repair, convert, import and export cartridges, without a daemon
    #[command(
        subcommand,
        after_help = "Examples:\n  ferric tape create ./V00100L8 --size 10GB\n  ferric tape show ./tapes/V00001L8"
    )]
    Tape(tape::Command),
    /// Copy cartridges to and from a shelf in an object store, and verify them there
    #[command(
        subcommand,
        after_help = "Examples:\n  ferric shelf archive --shelf file://$PWD/shelf ./tapes/V00001L8\n  ferric shelf list --shelf file://$PWD/shelf"
    )]
    Shelf(shelf::Command),
    /// Check, create and import configurations, show that of a daemon, add a library; list keys and models
    #[command(
        subcommand,
        after_help = "Examples:
  ferric config init
  ferric config check ferric.toml"
    )]
    Config(config::Command),
    /// Make a drive or library return the bytes of a real device: read the device, import its pages
    #[command(
        subcommand,
        after_help = "Examples:\n  ferric personality capture /dev/sg1 --output drive.capture\n  ferric personality import drive.capture > drive.toml"
    )]
    Personality(personality::Command),
    /// Migrate from another virtual tape library
    #[command(subcommand, after_help = "Examples:\n  ferric migrate mhvtl --config ./mhvtl --check")]
    Migrate(migrate::Command),
    Run(run::Arguments),
    /// Recover or restore the state of a data directory while no daemon runs
    #[command(
        subcommand,
        name = "site",
        after_help = "Examples:
  ferric site recover ./ferric-data --dry-run
  ferric site restore file://$PWD/shelf ./restored"
    )]
    Offline(offline_site::Command),
    /// Print the completion script of a shell
    Completions(completions::Arguments),
    /// Write the man pages of ferric, and of the programs that its links are
    Man(man::Arguments),
    Links(links::Arguments),
}

/// The definition of the command line, with the options that several commands share.
pub(crate) fn definition() -> clap::Command {
    options::add_to(Arguments::command())
}
