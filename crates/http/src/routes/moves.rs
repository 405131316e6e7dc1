//! Routes of what moves cartridges: move, load, unload, import, export, assign.

use super::members::{DRIVE, LIBRARY};
use super::{Kind, Member, Route};

pub(super) const ROUTES: &[Route] = &[
    Route::post("/v1/moves", "move", "Move a cartridge from one element to another")
        .body(&[
            LIBRARY,
            Member::new("from", Kind::Text, "Element that holds the cartridge, or its barcode."),
            Member::new("to", Kind::Text, "Destination element, which must be empty."),
        ])
        .returns("MovedCartridge"),
    Route::post("/v1/loads", "load", "Load a cartridge into a drive")
        .body(&[
            LIBRARY,
            Member::new("cartridge", Kind::Text, "Barcode, or the element that holds the cartridge."),
            Member::new("drive", Kind::Text, "Drive; the first empty one by default.").optional(),
        ])
        .returns("MovedCartridge"),
    Route::post("/v1/unloads", "unload", "Unload a drive: move its cartridge to the slot it came from")
        .body(&[LIBRARY, DRIVE])
        .returns("MovedCartridge"),
    Route::post("/v1/imports", "import", "Import a cartridge from the shelf")
        .body(&[
            LIBRARY,
            Member::new("cartridge", Kind::Text, "Barcode of the cartridge."),
            Member::new("to", Kind::Text, "I/O element, or a slot while the access door is open.").optional(),
        ])
        .returns("ImportedCartridge"),
    Route::post("/v1/exports", "export", "Export a cartridge to the shelf")
        .body(&[LIBRARY, Member::new("from", Kind::Text, "Element, or the barcode of the cartridge in it.")])
        .returns("ExportedCartridge"),
    Route::post("/v1/assignments", "assign", "Assign a cartridge to another partition of its chassis")
        .body(&[
            Member::new("cartridge", Kind::Text, "Barcode of the cartridge."),
            Member::new("library", Kind::Text, "Library that is the other partition."),
            Member::new("to", Kind::Text, "Slot or I/O element of that library; by default its first empty slot, or the same slot of the shared I/O station.").optional(),
        ])
        .returns("AssignedCartridge"),
];
