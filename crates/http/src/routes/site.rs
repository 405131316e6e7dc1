//! Routes of the site as a whole: status, events, alerts, commands of hosts, configuration.

use super::members::{FLAG, LIBRARY};
use super::{Action, Kind, Member, Route, Shape};
use vtl::tokens::Role;

const ALERT_DRIVE: Member = Member::new("drive", Kind::Text, "Drive; the changer if it is not given.").optional();
const FAULT: Member =
    Member::new("fault", Kind::Words(&["pick", "place", "load", "unload"]), "Operation of the robot that fails.");
const UNIT: Member =
    Member::new("unit", Kind::Text, "`changer`, or a drive such as `drive1`; all units if it is not given.").optional();
/// Member of the control request `audit` with the rules that select records.
const FILTER: &str = "filter";

pub(super) const ROUTES: &[Route] = &[
    Route::get("/v1/openapi.json", "", "The OpenAPI document of this API").action(Action::OpenApi).returns("OpenApi"),
    Route::get("/v1/status", "status", "Status of the whole site, with every element").returns("SiteStatus"),
    Route::get("/v1/events", "events", "A snapshot of the site, and then each event, as server-sent events")
        .query(&[Member::new("since", Kind::Text, "Position after which to continue; `Last-Event-ID` is preferred.")
            .optional()])
        .action(Action::Events)
        .returns("EventStream"),
    Route::get("/v1/alerts", "alerts", "Raised TapeAlert flags, or the state of one flag")
        .query(&[LIBRARY, ALERT_DRIVE, FLAG.optional()])
        .action(Action::Control(Shape::Items))
        .returns("Alerts"),
    Route::get("/v1/alarms", "alarms", "List the events of the levels warn and error, with their acknowledgements")
        .action(Action::Control(Shape::Items))
        .returns("Alarms"),
    Route::post("/v1/alarms/acknowledge", "acknowledge", "Acknowledge events of the levels warn and error")
        .body(&[Member::new("events", Kind::Texts(1000), "Numbers of the events, each as `SEQ` or `START/SEQ`.")])
        .returns("AcknowledgedAlarms"),
    Route::put("/v1/alerts/{flag}", "alert", "Raise or clear a TapeAlert flag of a changer or drive")
        .body(&[LIBRARY, ALERT_DRIVE, Member::new("raised", Kind::Flag, "True raises the flag, false clears it.")])
        .returns("AlertStatus"),
    Route::post("/v1/faults", "inject_fault", "Inject a fault: make operations of the robot fail")
        .body(&[
            LIBRARY,
            FAULT,
            Member::new(
                "nth",
                Kind::Number(1, 0xffff_ffff),
                "First such operation that fails; 1, the next one, by default.",
            )
            .optional(),
            Member::new("count", Kind::Number(1, 0xffff_ffff), "Number of such operations that fail; 1 by default.")
                .optional(),
        ])
        .admin()
        .returns("InjectedFault"),
    Route::get("/v1/faults", "fault_list", "List the faults that scripts have added, and how often they have occurred")
        .action(Action::Control(Shape::Items))
        .returns("Faults"),
    Route::post("/v1/faults/scripts", "fault_add", "Add the faults of a script, or none of them")
        .body(&[Member::new("text", Kind::LongText(500_000), "Tables [[fault]], as TOML.")])
        .admin()
        .action(Action::Control(Shape::Items))
        .returns("Faults"),
    Route::post("/v1/faults/clear", "fault_clear", "End a fault that a script has added, or all of them")
        .body(&[Member::new("name", Kind::Text, "Name of the fault; all of them without it.").optional()])
        .admin()
        .returns("ClearedFaults"),
    Route::get("/v1/trace", "trace", "The last commands that hosts have sent, decoded")
        .query(&[
            LIBRARY,
            UNIT,
            Member::new("since", Kind::Number(0, u64::MAX), "Number of the last command that the client has.")
                .optional(),
            Member::new("max", Kind::Number(1, 1000), "Most commands in the response; 1,000 by default.").optional(),
            Member::new("wait_ms", Kind::Number(0, 1000), "Milliseconds to wait for a command after `since`.")
                .optional(),
        ])
        .returns("CommandTrace"),
    Route::get("/v1/counters", "counters", "Counters of the commands of each unit")
        .query(&[LIBRARY])
        .action(Action::Control(Shape::Items))
        .returns("Counters"),
    Route::get("/metrics", "", "The measurements of the site as text for Prometheus")
        .action(Action::Metrics)
        .returns("MetricsText"),
    Route::get("/v1/metrics", "metrics", "The measurements of the site").returns("SiteMetrics"),
    Route::get("/v1/audit", "audit", "Records of the audit log, ascending")
        .query(&[
            Member::new("after", Kind::Number(0, u64::MAX), "Number of the last record that the client has.")
                .optional()
                .in_group(FILTER),
            Member::new("since", Kind::Number(0, u64::MAX), "Earliest time in milliseconds since 1970.")
                .optional()
                .in_group(FILTER),
            Member::new("object", Kind::Text, "Only records of this library, unit, element, barcode or pool.")
                .optional()
                .in_group(FILTER),
            Member::new("actor", Kind::Text, "Only records of the actor with this name.").optional().in_group(FILTER),
            Member::new("max", Kind::Number(1, 1000), "Most records in the response; 1,000 by default.").optional(),
        ])
        .action(Action::Control(Shape::Items))
        .returns("AuditRecords"),
    Route::get("/v1/audit/verify", "audit_verify", "Check the hash chain of the audit log").returns("VerifiedAudit"),
    Route::get("/v1/sessions", "sessions", "List the open iSCSI sessions, by the time of their login")
        .action(Action::Control(Shape::Items))
        .returns("IscsiSessions"),
    Route::get("/v1/log", "log", "Show the last lines of the log of the daemon, of the levels info, warn and error")
        .admin()
        .returns("LogLines"),
    Route::get("/v1/models", "models", "List the models of libraries and drives that a configuration can name")
        .returns("Models"),
    Route::get("/v1/configuration", "configuration", "Show the configuration in use as text, without secrets")
        .admin()
        .returns("ConfigurationText"),
    Route::post(
        "/v1/configuration",
        "configuration_add",
        "Add chassis, libraries and pools to the end of the configuration file of the daemon, and read it again",
    )
    .admin()
    .of_object("/v1/configuration")
    .body(&[Member::new(
        "text",
        Kind::LongText(500_000),
        "Tables [[chassis]], [[library]] and [[pool]], without commands.",
    )])
    .returns("ReloadReport"),
    Route::post("/v1/configuration/check", "configuration_check", "Check a text as a configuration, without a change")
        .admin()
        .body(&[Member::new("text", Kind::LongText(500_000), "The text, in the form of a configuration file.")])
        .returns("CheckedConfiguration"),
    Route::post("/v1/reload", "reload", "Read the configuration file of the daemon again")
        .admin()
        .returns("ReloadReport"),
    Route::get("/v1/object-shelves", "shelf_list", "State of each shelf on object storage")
        .action(Action::Control(Shape::Items))
        .returns("ObjectShelves"),
    Route::get("/v1/notifications", "notify_list", "State of each notification target")
        .action(Action::Control(Shape::Items))
        .returns("Notifications"),
    Route::post("/v1/notifications/{target}/test", "notify_test", "Send a test event to a notification target")
        .returns("NotifyTest"),
    Route::get("/v1/tokens", "tokens", "List the tokens of the API, without their texts")
        .admin()
        .action(Action::Control(Shape::Items))
        .returns("Tokens"),
    Route::post("/v1/tokens", "token_create", "Create a token of the API; its text is only in this response")
        .admin()
        .body(&[
            Member::new("name", Kind::Text, "Name of the token: 1 to 32 of a-z, 0-9, - and _."),
            Member::new("role", Kind::Words(&["read", "operate", "admin"]), "The requests that its client may make."),
        ])
        .returns("CreatedToken"),
    Route::delete("/v1/tokens/{name}", "token_remove", "Remove a token of the API")
        .without_object()
        .admin()
        .returns("RemovedToken"),
    Route::post("/v1/session", "", "Log in with a token; a cookie then stands for it")
        .action(Action::LogIn)
        .role(None)
        .body(&[Member::new("token", Kind::Text, "The text of the token.")])
        .returns("SessionStatus"),
    Route::get("/v1/session", "", "Show the name and the role of the client")
        .action(Action::Session)
        .returns("SessionStatus"),
    Route::delete("/v1/session", "", "Log out: end the session of the cookie")
        .without_object()
        .action(Action::LogOut)
        .role(Some(Role::Read))
        .returns("EndedSession"),
];
