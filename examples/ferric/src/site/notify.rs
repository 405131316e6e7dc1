//! `ferric notify`: the state of notification targets, and their test.

use super::client::Client;
use super::command::NotifyAction;
use super::events::time_text;
use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::{format_count, print_line};
use vtl::control::ControlRequest as Request;
use vtl::notifications::{NotifyStatus, NotifyTest};

pub(super) fn run(options: &Options, action: NotifyAction) -> Result<(), CliError> {
    let mut client = Client::connect(options)?;
    match action {
        NotifyAction::List => {
            let targets: Vec<NotifyStatus> = client.request_as(&Request::NotifyList)?;
            options.output.show(targets.as_slice(), |targets| {
                targets.iter().try_for_each(|target| print_line(target_text(target)))
            })
        }
        NotifyAction::Test { target } => {
            let test: NotifyTest = client.request_as(&Request::NotifyTest { target })?;
            options.output.show(&test, |test| print_line(format!("{}: {}", test.target, test.answer)))
        }
    }
}

/// A target as one line: what it is, its numbers, and the last error.
pub(super) fn target_text(target: &NotifyStatus) -> String {
    let NotifyStatus { target: name, kind, destination, waiting, delivered, dead_letters, failures, .. } = target;
    let mut text = format!("{name}: {kind} {destination}, {delivered} delivered, {waiting} waiting");
    if *dead_letters > 0 {
        text += &format!(", {}", format_count(*dead_letters, "dead letter"));
    }
    if *failures > 0 {
        text += &format!(", {} since the last delivery", format_count((*failures).into(), "failed attempt"));
    }
    if let (Some(error), Some(at)) = (&target.last_error, target.last_error_at) {
        text += &format!(", last error at {}: {error}", time_text(at));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_is_a_line() {
        let mut target = NotifyStatus {
            target: "ops".into(),
            kind: "webhook".into(),
            destination: "https://a.example".into(),
            delivered: 12,
            ..NotifyStatus::default()
        };
        assert_eq!(target_text(&target), "ops: webhook https://a.example, 12 delivered, 0 waiting");
        target = NotifyStatus {
            waiting: 3,
            dead_letters: 1,
            failures: 2,
            last_error: Some("HTTP status 500".into()),
            last_error_at: Some(1_795_307_362_000),
            ..target
        };
        assert_eq!(
            target_text(&target),
            "ops: webhook https://a.example, 12 delivered, 3 waiting, 1 dead letter, 2 failed attempts since the last \
             delivery, last error at 2026-11-22 00:29:22Z: HTTP status 500"
        );
    }
}
