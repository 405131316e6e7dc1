//! Routes of cartridges, shelves and pools.

use super::members::{AFTER, LIBRARY, LIMIT};
use super::{Action, Kind, List, Member, Route, Shape};

const CARTRIDGE: &str = "/v1/cartridges/{cartridge}";
const IN_LIBRARY: Member = Member::new("library", Kind::Text, "Only cartridges in this library.").optional();
const ON_SHELF: Member = Member::new("shelf", Kind::Text, "Only cartridges on this shelf.").optional();
const IN_POOL: Member = Member::new("pool", Kind::Text, "Only cartridges of this pool.").optional();
const BARCODE: Member =
    Member::new("barcode", Kind::Text, "Only cartridges whose barcodes contain this text.").optional();
const LABEL: Member = Member::new(
    "label",
    Kind::WordsOrNull(&["missing", "unreadable"]),
    "Defect of the barcode label; null or no member makes it readable.",
)
.optional();

pub(super) const ROUTES: &[Route] = &[
    Route::get("/v1/cartridges", "cartridges", "List cartridges, in order of their barcodes")
        .query(&[IN_LIBRARY, ON_SHELF, IN_POOL, BARCODE, LIMIT, AFTER])
        .action(Action::List(List::Cartridges))
        .returns("Cartridges"),
    Route::get(CARTRIDGE, "cartridges", "Show a cartridge")
        .action(Action::Control(Shape::Only))
        .returns("CartridgeStatus"),
    Route::get(
        "/v1/cartridges/{cartridge}/contents",
        "cartridge_contents",
        "Show the use and the MAM of a cartridge that is not in a drive",
    )
    .returns("CartridgeContents"),
    Route::get(
        "/v1/cartridges/{cartridge}/files",
        "cartridge_files",
        "Map the files on a cartridge that is not in a drive: blocks, bytes, smallest and largest block",
    )
    .query(&[
        Member::new("partition", Kind::Number(0, 3), "Number of the partition; 0 by default.").optional(),
        Member::new("object", Kind::Number(0, u64::MAX), "First object; the value of `next` in the response before.")
            .optional(),
        Member::new("max", Kind::Number(1, 1000), "Most files in the response; 1,000 by default.").optional(),
    ])
    .returns("TapeFiles"),
    Route::delete(CARTRIDGE, "delete", "Delete a cartridge on a shelf, with all its data")
        .admin()
        .returns("RemovedCartridge"),
    Route::post("/v1/cartridges/{cartridge}/forget", "forget", "Remove a cartridge from the inventory; its files stay")
        .of_object(CARTRIDGE)
        .admin()
        .returns("RemovedCartridge"),
    Route::put("/v1/cartridges/{cartridge}/label", "label", "Set or clear the defect of a barcode label")
        .of_object(CARTRIDGE)
        .query(&[LIBRARY])
        .body(&[LABEL])
        .returns("LabelStatus"),
    Route::put("/v1/cartridges/{cartridge}/write-protect", "protect", "Set or clear the write-protect tab")
        .of_object(CARTRIDGE)
        .body(&[Member::new("on", Kind::Flag, "True sets the tab, false clears it.")])
        .returns("ProtectStatus"),
    Route::put("/v1/cartridges/{cartridge}/retention", "retain", "Retain the data on a cartridge until a time")
        .of_object(CARTRIDGE)
        .body(&[Member::new(
            "until",
            Kind::Number(0, 253_402_300_799),
            "End of the retention in seconds since 1970; later than now and than the present one.",
        )])
        .admin()
        .returns("RetentionStatus"),
    Route::put("/v1/cartridges/{cartridge}/legal-hold", "hold", "Set or release the legal hold of a cartridge")
        .of_object(CARTRIDGE)
        .body(&[
            Member::new("on", Kind::Flag, "True sets the hold, false releases it."),
            Member::new("reason", Kind::Text, "Reason for the audit log, which is not empty."),
        ])
        .admin()
        .returns("HoldStatus"),
    Route::get("/v1/shelves", "", "List the shelves; /v1/cartridges?shelf=NAME lists their cartridges")
        .action(Action::List(List::Shelves))
        .returns("Shelves"),
    Route::get("/v1/pools", "pools", "List the pools").action(Action::Control(Shape::Items)).returns("Pools"),
    Route::get("/v1/pools/{pool}", "pools", "Show a pool").action(Action::Control(Shape::Only)).returns("PoolStatus"),
    Route::post("/v1/pools/{pool}/cartridges", "create", "Create blank cartridges of a pool")
        .body(&[Member::new("count", Kind::Number(1, 10_000), "Number of cartridges.")])
        .returns("CreatedCartridges"),
];
