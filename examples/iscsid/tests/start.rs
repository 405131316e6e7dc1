//! The start of the daemon: options, ready line, and files that remain.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{DRIVE, Daemon, SLOT, SMALL, command, move_medium, options, ready};
use initiator::{CommandResponse, Initiator};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::tempdir;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ferric-iscsid"))
}

/// Starts the daemon and returns its process and the first line of its output.
fn start(command: &mut Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line)
}

fn terminate(mut child: Child) -> bool {
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    child.wait().unwrap().success()
}

/// The status of the site of a control socket.
fn status(socket: &Path) -> serde_json::Value {
    let mut stream = UnixStream::connect(socket).unwrap();
    writeln!(stream, "{{\"op\":\"status\"}}").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn ready_line_as_json_and_removal_of_an_ephemeral_site() {
    let dir = tempdir().unwrap();
    let arguments = ["--ephemeral", "--bind", "127.0.0.1:0", "--ready", "json", "--stream", "scsi.sock"];
    let (child, line) = start(program().args(arguments).env("TMPDIR", dir.path()).current_dir(dir.path()));
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((line["ready"].as_str(), line["pid"].as_u64()), (Some("iscsi"), Some(child.id().into())));
    let (address, target) = (line["address"].as_str().unwrap(), line["targets"][0].as_str().unwrap());
    let mut session = Initiator::login(address, target, options(1)).unwrap();
    assert_eq!(ready(&mut session).status, 2);
    let data = Path::new(line["data"].as_str().unwrap());
    assert!(data.starts_with(dir.path()) && data.join("cartridges").is_dir());
    let socket = line["control"].as_str().unwrap();
    assert_eq!(status(Path::new(socket))["ok"]["libraries"][0]["name"], "main");
    let stream = Path::new(line["stream"].as_str().unwrap());
    assert_eq!(stream, dir.path().join("scsi.sock"));
    // OPEN of the stream, and the type of the response.
    let mut client = UnixStream::connect(stream).unwrap();
    client.write_all(b"\x01\0\0\0\0\0\0\x0cFSTR\0\x01\0\0\0\0\0\0").unwrap();
    let mut kind = [0];
    client.read_exact(&mut kind).unwrap();
    assert_eq!(kind, [0x81]);
    assert!(terminate(child));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "no file remains");
}

#[test]
fn ready_line_on_a_descriptor_and_process_id_in_a_file() {
    let dir = tempdir().unwrap();
    let (printed, pid) = (dir.path().join("ready-line"), dir.path().join("pid"));
    std::fs::write(&pid, "4194304\n").unwrap();
    let script = "exec 3>>\"$1\"; shift; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(&printed).arg(env!("CARGO_BIN_EXE_ferric-iscsid"));
    command.arg("--data").arg(dir.path().join("d")).args(["--bind", "127.0.0.1:0", "--ready-fd", "3", "--pid-file"]);
    let mut child = command.arg(&pid).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The overview for operators is printed before the ready line for programs.
    let mut people = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("--login") {
        line.clear();
        assert_ne!(people.read_line(&mut line).unwrap(), 0);
    }
    while !std::fs::read_to_string(&printed).unwrap().ends_with('\n') {
        std::thread::yield_now();
    }
    let ready = std::fs::read_to_string(&printed).unwrap();
    assert!(ready.starts_with("ready iscsi 127.0.0.1:") && ready.lines().count() == 1, "{ready}");
    assert_eq!(std::fs::read_to_string(&pid).unwrap(), format!("{}\n", child.id()));
    let mut out = child.stdout.take().unwrap();
    assert!(terminate(child));
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), pid.exists()), ("", false));
}

#[test]
fn ready_line_on_a_socket() {
    let dir = tempdir().unwrap();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut command = program();
    command.arg("--data").arg(dir.path().join("d")).args(["--bind", "127.0.0.1:0", "--ready-fd", "0"]);
    let child = command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The daemon has closed its copy of the descriptor after the line; its standard input is still open.
    let mut line = String::new();
    BufReader::new(&mut ours).read_line(&mut line).unwrap();
    assert!(line.starts_with("ready iscsi 127.0.0.1:") && line.ends_with('\n'), "{line}");
    assert!(terminate(child));
}

#[test]
fn invalid_options_are_refused_before_files_are_created() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let config = dir.path().join("c.toml");
    std::fs::write(&config, "[storage]\ncartridges = [\"/\"]\n").unwrap();
    let config = config.to_str().unwrap();
    for (arguments, printed) in [
        (vec!["--bind", "nowhere"], "--bind: \"nowhere\" is not ADDRESS:PORT"),
        (vec!["--advertise", "tape.example.com"], "--advertise: \"tape.example.com\" is not ADDRESS:PORT"),
        (vec!["--ephemeral", "--config", config], "--ephemeral: storage.cartridges names directories"),
    ] {
        let mut command = program();
        if !arguments.contains(&"--ephemeral") {
            command.arg("--data").arg(&data);
        }
        let output = command.args(&arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.starts_with(&format!("ferric-iscsid: {printed}")) && error.lines().count() == 1, "{error}");
    }
    assert!(!data.exists());
    let output = program().args(["--bind", "127.0.0.1:0", "--data", config]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error, format!("ferric-iscsid: --data: {config} is not a directory\n"));
    let output = program().args(["--ready-fd", "x"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("expected the number of an open file descriptor, 0 to 65535"), "{error}");
    for arguments in [["--ready", "xml"], ["--ready-fd", "x"], ["--ephemeral", "--data=d"]] {
        assert_eq!(program().args(arguments).output().unwrap().status.code(), Some(2));
    }
    let output =
        program().arg("--data").arg(&data).args(["--bind", "127.0.0.1:0", "--ready-fd", "77"]).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("--ready-fd 77: "));
    assert!(!data.exists());
}

#[test]
fn a_portal_that_is_open_to_the_network_is_warned_of() {
    let user = "[[iscsi.user]]\nname = \"host\"\nsecret = \"a secret of some length\"\n";
    for (bind, config, warns) in [
        ("127.0.0.1:0", "", false),
        ("0.0.0.0:0", "", true),
        ("[::]:0", "[iscsi]\ninitiators = [\"iqn.2026-01.com.example:a\"]\n", true),
        ("0.0.0.0:0", user, false),
    ] {
        let dir = tempdir().unwrap();
        let data = dir.path().join("d");
        let mut command = command(&data, &format!("{SMALL}{config}"));
        let place = command.get_args().position(|argument| argument == "--bind").unwrap();
        let arguments: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
        let mut other = program();
        other.args(
            arguments
                .iter()
                .enumerate()
                .map(|(at, argument)| if at == place + 1 { bind.as_ref() } else { &**argument }),
        );
        command = other;
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready"), "{line}");
        let warnings = status(&data.join("control.sock"))["ok"]["warnings"].to_string();
        assert_eq!(warnings.contains("without CHAP"), warns, "{bind} {config}: {warnings}");
        let mut log = child.stderr.take().unwrap();
        assert!(terminate(child));
        let mut printed = String::new();
        log.read_to_string(&mut printed).unwrap();
        assert_eq!(printed.contains("is open to the network without CHAP"), warns, "{bind} {config}: {printed}");
    }
}

/// The daemon refuses what `config check` refuses, and creates nothing.
#[test]
fn a_missing_directory_of_cartridges_is_refused_and_not_created() {
    let dir = tempdir().unwrap();
    let (data, missing) = (dir.path().join("d"), dir.path().join("nonexistent/x"));
    let output = command(&data, &format!("{SMALL}[storage]\ncartridges = [{missing:?}]\n")).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains("d.toml:10: storage.cartridges: directory ") && error.contains(" does not exist"),
        "{error}"
    );
    assert!(!data.exists() && !dir.path().join("nonexistent").exists());
    // A file system on which cartridges cannot be created is named, with the line.
    let output = command(&data, &format!("{SMALL}[storage]\ncartridges = [\"/proc\"]\n")).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    let expected = "d.toml:10: storage.cartridges: cartridges cannot be created in directory /proc: ";
    assert!(error.contains(expected) && !data.exists(), "{error}");
}

/// The daemon starts without the disk of its cartridges, creates neither the directory nor cartridges in an empty mount
/// point, and has all cartridges when the disk is mounted again.
#[test]
fn unmounted_cartridge_disk_is_not_written() {
    let pool = "[[pool]]\nname = \"scratch\"\npattern = \"P####L8\"\nsize = \"64MB\"\nscratch = 2\n";
    let dir = tempdir().unwrap();
    let (data, disk, aside) = (dir.path().join("d"), dir.path().join("disk"), dir.path().join("aside"));
    std::fs::create_dir(&disk).unwrap();
    let config = format!("{SMALL}{pool}[storage]\ncartridges = [{disk:?}]\n");
    let count = |path: &Path| std::fs::read_dir(path).unwrap().count();
    assert_eq!(Daemon::start(&data, &config).terminate(), Some(0));
    assert_eq!(count(&disk), 7);
    let made = [config.clone(), config.replace("count = 5", "count = 6")];
    for (config, mount_point) in made.iter().flat_map(|config| [(config, false), (config, true)]) {
        std::fs::rename(&disk, &aside).unwrap();
        if mount_point {
            std::fs::create_dir(&disk).unwrap();
        }
        let daemon = Daemon::start(&data, config);
        let mut session = daemon.login(1);
        assert_eq!(move_medium(&mut session, SLOT, DRIVE), CommandResponse::default());
        assert_eq!(ready(&mut session).sense_codes(), Some((3, 0x31, 0x00)), "its files are missing");
        assert_eq!(move_medium(&mut session, DRIVE, SLOT), CommandResponse::default());
        drop(session);
        assert_eq!(daemon.terminate(), Some(0));
        assert_eq!(disk.exists(), mount_point, "the directory is not created");
        if mount_point {
            assert_eq!(count(&disk), 0, "nothing is created in the mount point");
            std::fs::remove_dir(&disk).unwrap();
        }
        std::fs::rename(&aside, &disk).unwrap();
        assert_eq!(count(&disk), 7);
    }
    let daemon = Daemon::start(&data, &made[1]);
    let mut session = daemon.login(1);
    common::load(&mut session);
    assert_eq!(count(&disk), 8);
}

/// One of two cartridge disks is not mounted: this is logged, nothing is created in its empty mount point, and all
/// cartridges are usable when it is mounted again.
#[test]
fn unmounted_disk_is_logged_and_not_written() {
    let dir = tempdir().unwrap();
    let (data, log) = (dir.path().join("d"), dir.path().join("log"));
    let [disk, second, aside] = ["disk", "second", "aside"].map(|name| dir.path().join(name));
    std::fs::create_dir(&disk).unwrap();
    std::fs::create_dir(&second).unwrap();
    let config = format!("{SMALL}[storage]\ncartridges = [{disk:?}, {second:?}]\n");
    let count = |path: &Path| std::fs::read_dir(path).unwrap().count();
    let run = |config: &str| {
        let file = std::fs::File::create(&log).unwrap();
        let daemon = Daemon::logging(&mut command(&data, config), file.into());
        assert_eq!(daemon.terminate(), Some(0));
        std::fs::read_to_string(&log).unwrap()
    };
    assert!(!run(&config).contains("ERROR"));
    assert_eq!(count(&disk), 5);
    // An operator moves one cartridge: it is not missing.
    let name = std::fs::read_dir(&disk).unwrap().map(|entry| entry.unwrap().file_name()).min().unwrap();
    std::fs::rename(disk.join(&name), second.join(&name)).unwrap();
    assert!(!run(&config).contains("ERROR"));
    for (unmounted, left, missing_count) in [(&disk, &second, "cartridges=4"), (&second, &disk, "cartridges=1")] {
        std::fs::rename(unmounted, &aside).unwrap();
        std::fs::create_dir(unmounted).unwrap();
        let before = count(left);
        let more = config.replace("count = 5", if unmounted == &disk { "count = 6" } else { "count = 5" });
        let printed = run(&more);
        let line = "all cartridges of the directory are missing";
        assert!(
            printed.lines().any(|it| it.contains(line)
                && it.contains(&unmounted.display().to_string())
                && it.contains(missing_count)),
            "{printed}"
        );
        assert_eq!((count(unmounted), count(left)), (0, before), "nothing is created");
        std::fs::remove_dir(unmounted).unwrap();
        std::fs::rename(&aside, unmounted).unwrap();
    }
    assert!(!run(&config.replace("count = 5", "count = 6")).contains("ERROR"));
    assert_eq!((count(&disk), count(&second)), (5, 1));
}

/// A new cartridge whose element is full at the start is put into a free slot, and the log names barcode, element and
/// slot.
#[test]
fn new_cartridge_for_a_full_element_goes_to_a_free_slot() {
    let dir = tempdir().unwrap();
    let (data, log) = (dir.path().join("d"), dir.path().join("log"));
    let shape = "[library]\nslots = 4\n[[drive]]\nmodel = \"ULT3580-TD8\"\n";
    let cartridge = |label: &str, at: &str| format!("[[cartridges]]\npattern = \"{label}\"\nsize = \"64MB\"\n{at}");
    let first = format!("{shape}{}", cartridge("A00001L8", ""));
    assert_eq!(Daemon::start(&data, &first).terminate(), Some(0));
    let (second, third) = (cartridge("A00002L8", "at = \"slot1\"\n"), cartridge("A00003L8", "at = \"drive1\"\n"));
    let file = std::fs::File::create(&log).unwrap();
    let daemon = Daemon::logging(&mut command(&data, &format!("{first}{second}{third}")), file.into());
    let status = status(&data.join("control.sock"));
    let library = &status["ok"]["libraries"][0];
    let text = library.to_string();
    assert_eq!(daemon.terminate(), Some(0));
    let printed = std::fs::read_to_string(&log).unwrap();
    let line = printed.lines().find(|line| line.contains("A00002L8")).unwrap_or_default();
    for part in ["WARN", "at=\"slot1\"", "element=\"slot2\"", "occupied_by=\"A00001L8\"", "put into a free slot"] {
        assert!(line.contains(part), "{part}: {printed}");
    }
    assert!(!printed.lines().any(|line| line.contains("WARN") && line.contains("A00003L8")), "{printed}");
    assert_eq!(library["slots"][0]["cartridge"], "A00001L8", "{text}");
    assert_eq!(library["slots"][1]["cartridge"], "A00002L8", "{text}");
    // Two entries of one configuration for one element are refused.
    let twice = format!("{shape}{second}{}", cartridge("A00003L8", "at = \"slot1\"\n"));
    let output = command(&dir.path().join("e"), &twice).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("e.toml:12: cartridges.at: A00003L8 and A00002L8 are put into the same element"), "{error}");
}

/// The next ephemeral site removes the directory of one that was killed, but not that of a running one or of a user.
#[test]
fn directory_of_a_killed_ephemeral_site_is_removed() {
    let dir = tempdir().unwrap();
    let run = || {
        let arguments = ["--ephemeral", "--bind", "127.0.0.1:0", "--ready", "json"];
        let (child, line) = start(program().args(arguments).env("TMPDIR", dir.path()).current_dir(dir.path()));
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        (child, std::path::PathBuf::from(line["data"].as_str().unwrap()))
    };
    // A directory of a user with an unlocked file, which is not an ephemeral site.
    let own = dir.path().join("ferric-ephemeral-mine");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("lock"), "").unwrap();
    let ((mut killed, left), (alive, used)) = (run(), run());
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(left.join("cartridges").is_dir());
    let (last, latest) = run();
    assert!(!left.exists(), "the directory of the killed site is removed");
    assert!(used.join("cartridges").is_dir() && latest.join("cartridges").is_dir() && own.is_dir());
    assert!(terminate(alive) && terminate(last));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "only the directory of the user stays");
}

/// Forwards connections to another address, as an address translator does.
fn translator(to: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let pass = |mut from: TcpStream, mut to: TcpStream| {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
    };
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let Ok(far) = TcpStream::connect(&to) else { continue };
            pass(near.try_clone().unwrap(), far.try_clone().unwrap());
            pass(far, near);
        }
    });
    address
}

/// Through an address translator, the initiator logs in to the address at which it discovered the target.
#[test]
fn discovery_and_login_through_an_address_translator() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::spawn(command(&dir.path().join("d"), SMALL).args(["--advertise", "none"]));
    let outside = translator(daemon.portal.clone());
    assert_ne!(outside, daemon.portal);
    let found = Initiator::discover(&outside, options(1)).unwrap();
    assert_eq!(found, [format!("TargetName={}", daemon.iqn)]);
    let mut session = Initiator::login(&outside, &daemon.iqn, options(1)).unwrap();
    assert_ne!(ready(&mut session), CommandResponse::default());
    let other = Daemon::spawn(command(&dir.path().join("e"), "").args(["--advertise", "tape.example.com:13260"]));
    let found = Initiator::discover(&other.portal, options(1)).unwrap();
    assert_eq!(found[1], "TargetAddress=tape.example.com:13260,1");
}
