//! A call to the owner of a library before each move of the robot.

use crate::element::ElementType;
use tape_store::cartridge::Barcode;

/// A move that the robot is about to make. All checks of the move were passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedMove {
    /// Type of the source element, and its number among the elements of this type, from 1.
    pub source: (ElementType, u16),
    /// Type of the destination element, and its number among the elements of this type, from 1.
    pub destination: (ElementType, u16),
    /// Barcode of the cartridge that is moved.
    pub barcode: Barcode,
}

/// Decides about each move before the robot makes it.
pub trait MoveHook: Send {
    /// Returns false to refuse the move: it ends with HARDWARE ERROR 04h/03h, and every cartridge stays where it is.
    fn before_move(&mut self, planned: &PlannedMove) -> bool;
}
