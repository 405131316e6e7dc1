//! The program of the operator that runs before each move of the robot, as mhvtl's `movecommand`.

use crate::config::{LibrarySetup, MoveCommand};
use crate::external_program::run;
use smc::element::ElementType;
use smc::move_hook::{MoveHook, PlannedMove};

/// Runs the program, and refuses the move if it fails.
struct MoveProgram {
    library: String,
    command: MoveCommand,
}

/// The hook of a library whose configuration has a move command.
pub(crate) fn hook(setup: &LibrarySetup) -> Option<Box<dyn MoveHook>> {
    let command = setup.move_command.clone()?;
    Some(Box::new(MoveProgram { library: setup.name.clone(), command }))
}

/// mhvtl's name of a type of elements.
fn type_name(kind: ElementType) -> String {
    match kind {
        ElementType::TRANSPORT => "Picker",
        ElementType::IMPORT_EXPORT => "MAP",
        ElementType::DRIVE => "Drive",
        _ => "Storage",
    }
    .into()
}

/// The five arguments that the program gets.
fn arguments(planned: &PlannedMove) -> [String; 5] {
    let PlannedMove { source: (from, from_number), destination: (to, to_number), barcode } = planned;
    [type_name(*from), from_number.to_string(), type_name(*to), to_number.to_string(), barcode.to_string()]
}

impl MoveHook for MoveProgram {
    fn before_move(&mut self, planned: &PlannedMove) -> bool {
        let MoveCommand { command, timeout } = &self.command;
        let (library, barcode) = (&self.library, &planned.barcode);
        match run(command, &arguments(planned), &[], b"", *timeout) {
            Ok(output) => {
                if !output.is_empty() {
                    tracing::info!(library, %barcode, output, "move command");
                }
                true
            }
            Err(error) => {
                tracing::warn!(library, %barcode, %error, "move command failed: the move is refused");
                false
            }
        }
    }
}
