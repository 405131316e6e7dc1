//! Routes of libraries and their parts: robot, doors, drives, slots.

use super::members::{AFTER, LIBRARY, LIMIT, ONLINE};
use super::{Action, Kind, List, Member, Object, Route};

const FAULT: Member = Member::new(
    "fault",
    Kind::WordsOrNull(&["disabled", "blocked"]),
    "Fault of the element; null or no member returns it to service.",
)
.optional();
const TYPE: Member = Member::new("type", Kind::Words(&["slot", "io"]), "Only slots, or only I/O elements.").optional();
const FULL: Member =
    Member::new("full", Kind::Flag, "True: only elements with a cartridge; false: only empty ones.").optional();

pub(super) const ROUTES: &[Route] = &[
    Route::get("/v1/libraries", "", "List the libraries, without their elements")
        .action(Action::List(List::Libraries))
        .returns("Libraries"),
    Route::get("/v1/libraries/{library}", "", "Show a library, without its elements")
        .action(Action::Object(Object::Library))
        .returns("Library"),
    Route::get("/v1/robot", "", "Show whether the robot is online")
        .query(&[LIBRARY])
        .action(Action::Object(Object::Robot))
        .returns("OnlineStatus"),
    Route::patch("/v1/robot", "online", "Set the robot online or offline")
        .query(&[LIBRARY])
        .body(&[ONLINE])
        .returns("OnlineStatus"),
    Route::get("/v1/doors/{door}", "", "Show whether a door is open")
        .query(&[LIBRARY])
        .action(Action::Object(Object::Door))
        .returns("DoorStatus"),
    Route::patch("/v1/doors/{door}", "door", "Open or close a door")
        .query(&[LIBRARY])
        .body(&[Member::new("open", Kind::Flag, "True opens the door, false closes it.")])
        .returns("DoorStatus"),
    Route::get("/v1/drives", "", "List the drives")
        .query(&[LIBRARY])
        .action(Action::List(List::Drives))
        .returns("Drives"),
    Route::get("/v1/drives/{drive}", "", "Show a drive")
        .query(&[LIBRARY])
        .action(Action::Object(Object::Drive))
        .returns("Drive"),
    Route::patch("/v1/drives/{drive}", "online", "Set a drive online or offline")
        .query(&[LIBRARY])
        .body(&[ONLINE])
        .returns("OnlineStatus"),
    Route::get("/v1/slots", "", "List the slots and I/O elements of a library, I/O elements first")
        .query(&[LIBRARY, TYPE, FULL, LIMIT, AFTER])
        .action(Action::List(List::Slots))
        .returns("Slots"),
    Route::get("/v1/slots/{element}", "", "Show a slot or I/O element")
        .query(&[LIBRARY])
        .action(Action::Object(Object::Slot))
        .returns("Slot"),
    Route::patch("/v1/slots/{element}", "element", "Disable, block or enable a slot or I/O element")
        .query(&[LIBRARY])
        .body(&[FAULT])
        .returns("ElementFaultStatus"),
    Route::get("/v1/elements/{element}", "find", "Resolve the name of an element")
        .query(&[LIBRARY, Member::new("drive", Kind::Flag, "True accepts only a drive.").optional()])
        .returns("FoundElement"),
];
