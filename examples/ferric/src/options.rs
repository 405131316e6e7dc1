//! Options that several commands take, before or after the name of the command: `ferric --data DIR status` and
//! `ferric status --data DIR`.

use crate::output::Output;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;

/// Heading of the options that choose a daemon or a part of its site.
const HEADING: &str = "Options for a running daemon";

/// The values of the shared options.
pub(crate) struct Options {
    /// Data directory given by `--data`.
    pub(crate) data: Option<PathBuf>,
    /// Control socket given by `--socket`.
    pub(crate) socket: Option<PathBuf>,
    /// Daemon given by `--url`.
    pub(crate) remote: Option<RemoteDaemon>,
    /// Name of the library given by `--library`.
    pub(crate) library: Option<String>,
    /// Form of all output.
    pub(crate) output: Output,
}

/// A daemon that is reached through its HTTP API.
pub(crate) struct RemoteDaemon {
    /// URL given by `--url`, which begins with `http://` or `https://`.
    pub(crate) url: String,
    /// File with the token given by `--token-file`.
    pub(crate) token_file: Option<PathBuf>,
    /// File with certificates of authorities given by `--ca`; those of the system if `None`.
    pub(crate) ca: Option<PathBuf>,
    /// Files with the certificate of this client and its private key, given by `--client-certificate` and `--client-key`.
    pub(crate) client: Option<(PathBuf, PathBuf)>,
}

/// Adds the shared options to the program and to each command that uses them.
pub(crate) fn add_to(program: Command) -> Command {
    let of_daemon = |command: Command| {
        let options = [data(), socket(), url(), token_file(), ca(), client_certificate(), client_key()];
        command.args(options.map(|arg| arg.help_heading(HEADING)))
    };
    let of_library = |command: Command| of_daemon(command).arg(library().help_heading(HEADING));
    of_library(program.arg(json())).mut_subcommands(|command| match command.get_name() {
        // Also between the two words of the command; the help of the group does not show it.
        "tape" => command.mut_subcommand("list", |list| list.arg(data())).arg(data().hide(true)),
        "site" => {
            let command = command.mut_subcommand("recover", |recover| recover.arg(data()));
            command.mut_subcommand("restore", |restore| restore.arg(data())).arg(data().hide(true))
        }
        // The commands without a running daemon take none of them.
        "config" => {
            let names = ["show", "add", "check"];
            let command = names.into_iter().fold(command, |command, name| command.mut_subcommand(name, of_daemon));
            of_daemon(command).mut_args(hide_options_of_daemon)
        }
        "shelf" => of_daemon(command.mut_subcommand("status", of_daemon)).mut_args(hide_options_of_daemon),
        "cartridge" | "import" => of_library(command.mut_subcommands(of_library)),
        "job" => of_library(command.mut_subcommands(of_library)).mut_args(hide_options_of_daemon),
        // Scripts name the libraries of their faults.
        "fault" | "fail" => {
            let of_action = |action: Command| match action.get_name() {
                "add" | "list" | "clear" => of_daemon(action),
                _ => of_library(action),
            };
            of_library(command.mut_subcommands(of_action)).mut_args(hide_options_of_daemon)
        }
        "notify" | "token" | "alarm" => of_daemon(command.mut_subcommands(of_daemon)).mut_args(hide_options_of_daemon),
        "run" => command.args([
            data().help("Use the library that the daemon with this data directory serves over iSCSI"),
            socket().help("Use the library that the daemon with this control socket serves over iSCSI"),
        ]),
        // The daemons have their own options of these names.
        "serve" => OF_MHVTL
            .into_iter()
            .fold(command, |command, daemon| command.mut_subcommand(daemon, |daemon| daemon.arg(json().hide(true)))),
        "migrate" | "personality" | "completions" | "man" | "links" => command,
        // The partition is a separate argument.
        "assign" | "reload" | "events" | "sessions" | "log" => of_daemon(command),
        _ => of_library(command),
    })
}

/// Hides the options of a group of commands in its help: each command shows them.
fn hide_options_of_daemon(arg: Arg) -> Arg {
    let is_limited = LIMITED.contains(&arg.get_id().as_str());
    arg.hide(is_limited)
}

fn data() -> Arg {
    let help = "Data directory of the daemon [default: $FERRIC_DATA, else ./ferric-data, else /var/lib/ferric]";
    Arg::new("data").long("data").value_name("DIR").value_parser(value_parser!(PathBuf)).help(help)
}

fn socket() -> Arg {
    let help = "Control socket of the daemon [default: control.sock in its data directory]";
    Arg::new("socket").long("socket").value_name("FILE").value_parser(value_parser!(PathBuf)).help(help)
}

fn url() -> Arg {
    let help =
        "URL of the HTTP API of the daemon, instead of its control socket, such as https://tape.example.com:8443";
    Arg::new("url").long("url").value_name("URL").value_parser(parse_url).help(help)
}

fn parse_url(text: &str) -> Result<String, String> {
    let host = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let host = host.ok_or("expected a URL that begins with http:// or https://")?;
    let is_host =
        !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c.is_control() || "?#@".contains(c));
    if is_host { Ok(text.to_owned()) } else { Err("expected a host and a port, such as https://tape:8443".into()) }
}

fn token_file() -> Arg {
    let help = "File with the token for --url, which ferric token create prints";
    Arg::new("token-file").long("token-file").value_name("FILE").value_parser(value_parser!(PathBuf)).help(help)
}

fn ca() -> Arg {
    let help = "PEM file with the certificate of the authority, or of the daemon itself, for --url [default: those of the system]";
    Arg::new("ca").long("ca").value_name("FILE").value_parser(value_parser!(PathBuf)).help(help)
}

fn client_certificate() -> Arg {
    let help = "PEM file with the certificate of this client for --url, if the daemon accepts clients by certificate";
    let arg = Arg::new("client-certificate").long("client-certificate").value_name("FILE");
    arg.value_parser(value_parser!(PathBuf)).help(help)
}

fn client_key() -> Arg {
    let help = "PEM file with the private key of that certificate";
    Arg::new("client-key").long("client-key").value_name("FILE").value_parser(value_parser!(PathBuf)).help(help)
}

fn library() -> Arg {
    let help = "Name of the library; needed if the site has several and no barcode identifies it";
    Arg::new("library").long("library").value_name("NAME").help(help)
}

fn json() -> Arg {
    let help = "Print results, warnings and errors as JSON";
    Arg::new("json").long("json").action(ArgAction::SetTrue).global(true).help(help)
}

/// Name, long option and value of each shared option that not every command takes.
const LIMITED: [&str; 8] = ["data", "socket", "url", "token-file", "ca", "client-certificate", "client-key", "library"];
/// Options that need `--url` (true), or exclude it.
const OF_URL: [(&str, bool); 6] = [
    ("token-file", true),
    ("ca", true),
    ("client-certificate", true),
    ("client-key", true),
    ("data", false),
    ("socket", false),
];

/// The commands of `ferric serve` for mhvtl's kernel module, which print no JSON.
const OF_MHVTL: [&str; 3] = ["mhvtl", "vtltape", "vtllibrary"];

/// The reason to refuse shared options for a daemon; `None` if they apply.
fn refused_for_daemon(name: &str, has_json: bool, has_data: bool, daemon: &ArgMatches) -> Option<String> {
    let kind = name.strip_prefix("serve ")?;
    if OF_MHVTL.contains(&kind) && has_json {
        return Some(format!("the option '--json' does not apply to 'ferric {name}'"));
    }
    let is_ephemeral = daemon.try_get_one::<bool>("ephemeral").ok().flatten().copied().unwrap_or_default();
    (is_ephemeral && has_data).then(|| "the option '--data' cannot be used with '--ephemeral'".to_owned())
}

impl Options {
    /// Whether the command line names a running daemon.
    pub(crate) const fn names_daemon(&self) -> bool {
        self.data.is_some() || self.socket.is_some() || self.remote.is_some()
    }

    /// Reads the shared options. An option after a word of the command takes precedence over the same option before it.
    ///
    /// # Errors
    /// An option before a word of the command does not apply to the command.
    pub(crate) fn read(program: &mut Command, matches: &ArgMatches) -> Result<Self, clap::Error> {
        let (name, levels) = levels(matches);
        // A command that does not take an option has no value of this name.
        let takes = |level: &&ArgMatches, option: &str| level.try_contains_id(option).is_ok();
        let is_given = |option: &str| {
            let mut levels = levels.iter().filter(|level| takes(level, option));
            levels.any(|level| level.value_source(option) == Some(ValueSource::CommandLine))
        };
        let applies = |option: &str| levels.first().is_some_and(|level| takes(level, option));
        if let Some(option) = LIMITED.into_iter().find(|option| is_given(option) && !applies(option)) {
            let what = format!("the option '--{option}' does not apply to 'ferric {name}'");
            return Err(program.error(ErrorKind::ArgumentConflict, what));
        }
        let daemon = levels.first().copied().unwrap_or(matches);
        if let Some(what) = refused_for_daemon(&name, matches.get_flag("json"), is_given("data"), daemon) {
            return Err(program.error(ErrorKind::ArgumentConflict, what));
        }
        let has_url = is_given("url");
        if let Some((option, _)) = OF_URL.into_iter().find(|(option, needed)| is_given(option) && has_url != *needed) {
            let what = if has_url {
                format!("the option '--{option}' cannot be used with '--url'")
            } else {
                format!("the option '--{option}' needs '--url'")
            };
            return Err(program.error(ErrorKind::ArgumentConflict, what));
        }
        let certificate = value(&levels, "client-certificate");
        let client = match (certificate, value(&levels, "client-key")) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (Some(_), None) => {
                let what = "the option '--client-certificate' needs '--client-key'";
                return Err(program.error(ErrorKind::MissingRequiredArgument, what));
            }
            (None, Some(_)) => {
                let what = "the option '--client-key' needs '--client-certificate'";
                return Err(program.error(ErrorKind::MissingRequiredArgument, what));
            }
        };
        let remote = value(&levels, "url").map(|url| RemoteDaemon {
            url,
            token_file: value(&levels, "token-file"),
            ca: value(&levels, "ca"),
            client,
        });
        Ok(Self {
            remote,
            data: value(&levels, "data"),
            socket: value(&levels, "socket"),
            library: value(&levels, "library"),
            output: Output::new(matches.get_flag("json")),
        })
    }
}

/// The command that is executed: its words after the name of the program, and the arguments after each of them, those of
/// the last word first.
fn levels(program: &ArgMatches) -> (String, Vec<&ArgMatches>) {
    let (mut words, mut levels) = (Vec::new(), vec![program]);
    while let Some((name, deeper)) = levels.first().and_then(|matches| matches.subcommand()) {
        words.push(name);
        levels.insert(0, deeper);
    }
    (words.join(" "), levels)
}

fn value<T: Clone + Send + Sync + 'static>(levels: &[&ArgMatches], option: &str) -> Option<T> {
    levels.iter().find_map(|matches| matches.try_get_one::<T>(option).ok().flatten().cloned())
}

#[cfg(test)]
mod tests {
    use crate::arguments::{Arguments, definition};
    use clap::FromArgMatches;

    /// The values of `--data`, `--socket`, `--library` and `--json`, or the error.
    fn options(line: &str) -> Result<(String, String, String, bool), String> {
        let mut program = definition();
        let matches = program.try_get_matches_from_mut(line.split(' ')).map_err(|error| error.to_string())?;
        let options = super::Options::read(&mut program, &matches).map_err(|error| error.to_string())?;
        assert!(Arguments::from_arg_matches(&matches).is_ok());
        let text = |path: Option<std::path::PathBuf>| path.unwrap_or_default().display().to_string();
        let library = options.library.unwrap_or_default();
        Ok((text(options.data), text(options.socket), library, options.output.is_json()))
    }

    #[test]
    fn options_work_before_and_after_the_command() {
        for line in [
            "ferric --data d --socket s --library l --json status",
            "ferric status --data d --socket s --library l --json",
            "ferric --json --data x status --socket s --library l --data d",
        ] {
            assert_eq!(options(line), Ok(("d".into(), "s".into(), "l".into(), true)), "{line}");
        }
        assert_eq!(options("ferric --data d tape list"), Ok(("d".into(), String::new(), String::new(), false)));
        assert_eq!(options("ferric tape --data d list"), Ok(("d".into(), String::new(), String::new(), false)));
        assert_eq!(options("ferric --data x tape --data d list").unwrap().0, "d");
        assert_eq!(options("ferric tape --data x list --data d").unwrap().0, "d");
        assert_eq!(options("ferric site --data d recover").unwrap().0, "d");
        assert_eq!(options("ferric job --library l list --socket s").unwrap().2, "l");
        assert_eq!(options("ferric --data d serve iscsi").unwrap().0, "d");
        assert_eq!(options("ferric --data x serve vtltape -q 11 --data d").unwrap().0, "d");
        assert!(options("ferric serve iscsi --json --ephemeral").unwrap().3);
        let error = options("ferric --data d serve iscsi --ephemeral").unwrap_err();
        assert!(error.starts_with("error: the option '--data' cannot be used with '--ephemeral'"), "{error}");
        assert_eq!(options("ferric tape list --json"), Ok((String::new(), String::new(), String::new(), true)));
    }

    #[test]
    fn options_that_do_not_apply_are_refused_by_name() {
        for (line, option, command) in [
            ("ferric --data d tape show V00001L8", "--data", "tape show"),
            ("ferric tape --data d show V00001L8", "--data", "tape show"),
            ("ferric --data d tape dump V00001L8 --data 16", "--data", "tape dump"),
            ("ferric --socket s config models", "--socket", "config models"),
            ("ferric --library l reload", "--library", "reload"),
            ("ferric --socket s tape list", "--socket", "tape list"),
            ("ferric --library l serve iscsi", "--library", "serve iscsi"),
            ("ferric --json serve mhvtl", "--json", "serve mhvtl"),
            ("ferric serve vtltape -q 11 --json", "--json", "serve vtltape"),
        ] {
            let error = options(line).unwrap_err();
            let expected = format!("error: the option '{option}' does not apply to 'ferric {command}'\n");
            assert!(error.starts_with(&expected), "{error}");
        }
        let error = options("ferric tape show V00001L8 --socket s").unwrap_err();
        assert!(error.starts_with("error: unexpected argument '--socket' found"), "{error}");
    }
}
