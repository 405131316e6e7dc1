//! Routes of jobs: work that takes long.

use super::members::LIBRARY;
use super::{Action, Kind, Member, Route, Shape};

/// Member of the control request that has the work.
const WORK: &str = "work";
const WAIT: Member =
    Member::new("wait_ms", Kind::Number(0, 1000), "Milliseconds to wait for the end of the job.").optional();

pub(super) const ROUTES: &[Route] = &[
    Route::get("/v1/jobs", "jobs", "Running jobs, and the last jobs that have ended")
        .action(Action::Control(Shape::Items))
        .returns("Jobs"),
    Route::get("/v1/jobs/{job}", "jobs", "Status of a job, with its progress and result")
        .query(&[WAIT])
        .action(Action::Control(Shape::Only))
        .returns("Job"),
    Route::post(
        "/v1/jobs",
        "start_job",
        "Start a job: create, verify, convert, import, export, archive or recall cartridges",
    )
    .body(&[
        Member::new(
            "kind",
            Kind::Words(&["create", "verify", "convert", "import", "export", "archive", "recall"]),
            "The work; the other members depend on it.",
        )
        .in_group(WORK),
        Member::new("pool", Kind::Text, "Name of the pool, for create.").optional().in_group(WORK),
        Member::new("count", Kind::Number(1, 10_000), "Number of cartridges, for create.").optional().in_group(WORK),
        Member::new("cartridges", Kind::Texts(10_000), "Barcodes, for all kinds but create and convert.")
            .optional()
            .in_group(WORK),
        Member::new("cartridge", Kind::Text, "Barcode, for convert.").optional().in_group(WORK),
        Member::new("format", Kind::Words(&["native", "mhvtl"]), "New format, for convert.").optional().in_group(WORK),
        Member::new("to", Kind::Text, "Name of the shelf on object storage, for archive; the only one if absent.")
            .optional()
            .in_group(WORK),
        LIBRARY.in_group(WORK),
    ])
    .returns("Job"),
    Route::delete("/v1/jobs/{job}", "cancel_job", "Cancel a job; cartridges that are done remain as they are")
        .returns("Job"),
];
