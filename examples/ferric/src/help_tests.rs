//! Every help text, as snapshots that a person has read, and every example in them.
//!
//! After a change of a help text: `INSTA_UPDATE=always cargo test -p ferric help_tests`, then read the difference.

use crate::arguments::{Arguments, definition};
use crate::options::Options;
use clap::FromArgMatches;
use command_line::help;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn help_texts_match_snapshots() {
    let texts = help::texts(definition());
    insta::with_settings!({ snapshot_path => "../tests/help", prepend_module_to_snapshot => false, omit_expression => true }, {
        for (name, text) in &texts {
            insta::assert_snapshot!(name.replace(' ', "-"), text);
        }
    });
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help");
    assert_eq!(fs::read_dir(directory).unwrap().count(), texts.len(), "a snapshot has no command");
}

#[test]
fn every_command_has_examples_that_parse() {
    for (name, examples) in help::examples(definition()) {
        assert!(!examples.is_empty(), "{name} has no example");
        for example in examples {
            assert!(example.len() <= 80, "{example} would be wrapped");
            let calls = help::calls(&example, "ferric");
            assert_eq!(calls.len(), 1, "{example}");
            assert!(example.contains(&name), "the example of {name} is of another command: {example}");
            let mut program = definition();
            let matches =
                program.try_get_matches_from_mut(&calls[0]).unwrap_or_else(|error| panic!("{example}: {error}"));
            assert!(Options::read(&mut program, &matches).is_ok(), "{example}");
            assert!(Arguments::from_arg_matches(&matches).is_ok(), "{example}");
        }
    }
}

/// Only the examples of commands that are executed are run (tests/examples.rs).
#[test]
fn examples_of_groups_are_examples_of_their_commands() {
    let all = help::examples(definition());
    let mut groups = 0;
    for (name, examples) in all.iter().filter(|(name, _)| name != "ferric") {
        let prefix = format!("{name} ");
        let commands = || all.iter().filter(|(command, _)| command.starts_with(&prefix));
        // Only a command that requires one of its commands.
        let program = definition();
        let mut words = name.split(' ').skip(1);
        let command = words.try_fold(&program, |command, word| command.find_subcommand(word));
        let is_group = command.is_some_and(clap::Command::is_subcommand_required_set);
        groups += usize::from(is_group);
        for example in examples.iter().filter(|_| is_group) {
            assert!(commands().any(|(_, examples)| examples.contains(example)), "{name}: {example}");
        }
    }
    assert_eq!(groups, 12);
}

#[test]
fn commands_have_different_descriptions() {
    let program = definition();
    let texts: Vec<String> =
        program.get_subcommands().filter_map(|command| command.get_about()).map(ToString::to_string).collect();
    assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), texts.len(), "{texts:?}");
}
