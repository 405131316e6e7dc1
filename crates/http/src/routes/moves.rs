//! Routes of what moves cartridges: move, load, unload, import, export.

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
];
