//! The table of all metrics.

use crate::samples::{
    Value, alerts, changer, changers, commands, drive, drives, labelled, notify, one, portal, replica, sense, shelf,
};
use crate::{BaseUnit, Kind, Metric};

const DRIVE: &[&str] = &["library", "drive", "serial"];
const CHANGER: &[&str] = &["library", "serial"];

const fn row(name: &'static str, kind: Kind, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind, unit: None, help, labels, read: |_| Vec::new() }
}

impl Metric {
    const fn in_unit(mut self, unit: BaseUnit) -> Self {
        self.unit = Some(unit);
        self
    }

    const fn from(mut self, read: fn(&vtl::metrics::SiteMetrics) -> Vec<crate::Sample>) -> Self {
        self.read = read;
        self
    }
}

use BaseUnit::{Bytes, Seconds};
use Kind::{Counter, Gauge, Histogram};

/// All metrics, in the order in which they are rendered.
pub const METRICS: &[Metric] = &[
    row("ferric_build_info", Gauge, &["version"], "Version of the daemon; the value is always 1")
        .from(|site| vec![labelled([&site.release], 1)]),
    // Drives.
    row("ferric_drive_written", Counter, DRIVE, "Bytes of the records that hosts have written")
        .in_unit(Bytes)
        .from(|site| drive(site, |drive| drive.written_bytes)),
    row("ferric_drive_written_to_medium", Counter, DRIVE, "Bytes on the medium of the records that hosts have written, after compression")
        .in_unit(Bytes)
        .from(|site| drive(site, |drive| drive.written_to_medium_bytes)),
    row("ferric_drive_read", Counter, DRIVE, "Bytes of the records that hosts have read")
        .in_unit(Bytes)
        .from(|site| drive(site, |drive| drive.read_bytes)),
    row("ferric_drive_read_from_medium", Counter, DRIVE, "Bytes on the medium of the records that hosts have read")
        .in_unit(Bytes)
        .from(|site| drive(site, |drive| drive.read_from_medium_bytes)),
    row("ferric_drive_written_record_size", Histogram, DRIVE, "Sizes of the records that hosts have written")
        .in_unit(Bytes)
        .from(|site| drive(site, |drive| Value::Sizes(drive.written_sizes.clone()))),
    row("ferric_drive_read_record_size", Histogram, DRIVE, "Sizes of the records that hosts have read; only the bytes that were transferred count")
        .in_unit(Bytes)
        .from(|site| drive(site, |drive| Value::Sizes(drive.read_sizes.clone()))),
    row("ferric_drive_written_filemarks", Counter, DRIVE, "Filemarks that hosts have written")
        .from(|site| drive(site, |drive| drive.filemarks)),
    row("ferric_drive_failed_objects", Counter, &["library", "drive", "serial", "operation"], "Records and filemarks that could not be read (damaged data or a storage failure) or written")
        .from(|site| drives(site, |drive| vec![
            (vec!["read".into()], drive.read_failures.into()),
            (vec!["write".into()], drive.write_failures.into()),
        ])),
    row("ferric_drive_commands", Counter, &["library", "drive", "serial", "opcode", "status"], "Commands of hosts by operation code (hexadecimal) and status")
        .from(|site| drives(site, |drive| commands(&drive.unit))),
    row("ferric_drive_command_duration", Histogram, DRIVE, "Execution times of commands")
        .in_unit(Seconds)
        .from(|site| drive(site, |drive| Value::Durations(drive.unit.commands.run_us.clone()))),
    row("ferric_drive_command_wait", Histogram, DRIVE, "Times of commands in the queue before their execution")
        .in_unit(Seconds)
        .from(|site| drive(site, |drive| Value::Durations(drive.unit.commands.queued_us.clone()))),
    row("ferric_drive_sense", Counter, &["library", "drive", "serial", "key", "asc", "ascq"], "Commands that ended with sense data, by sense key, ASC and ASCQ (hexadecimal)")
        .from(|site| drives(site, |drive| sense(&drive.unit))),
    row("ferric_drive_queue_depth", Gauge, DRIVE, "Commands of hosts that wait, run or have a delayed status")
        .from(|site| drive(site, |drive| drive.unit.queue_depth as u64)),
    row("ferric_drive_loads", Counter, DRIVE, "Cartridges that the drive has loaded")
        .from(|site| drive(site, |drive| drive.loads)),
    row("ferric_drive_cleanings", Counter, DRIVE, "Cleanings in the life of the drive, also before the start of the daemon")
        .from(|site| drive(site, |drive| drive.cleanings)),
    row("ferric_drive_threaded", Gauge, DRIVE, "1 while a tape is threaded, so that hosts can access it")
        .from(|site| drive(site, |drive| drive.threaded)),
    row("ferric_drive_position_partition", Gauge, DRIVE, "Partition of the position of the threaded tape; absent without one")
        .from(|site| drives(site, |drive| drive.position.iter().map(|at| (Vec::new(), u64::from(at.partition).into())).collect())),
    row("ferric_drive_position_object", Gauge, DRIVE, "LOGICAL OBJECT IDENTIFIER of the position of the threaded tape; absent without one")
        .from(|site| drives(site, |drive| drive.position.iter().map(|at| (Vec::new(), at.object.into())).collect())),
    row("ferric_drive_online", Gauge, DRIVE, "0 while an operator has set the drive offline")
        .from(|site| drive(site, |drive| drive.unit.online)),
    row("ferric_drive_faulty", Gauge, DRIVE, "1 while the drive ends every command with HARDWARE ERROR 44h/00h, after an internal error")
        .from(|site| drive(site, |drive| drive.unit.faulty)),
    row("ferric_drive_tapealert", Gauge, &["library", "drive", "serial", "flag", "name"], "1 for each raised TapeAlert flag; absent for the others")
        .from(|site| drives(site, |drive| alerts(&drive.unit))),
    // Changers.
    row("ferric_changer_moves", Counter, &["library", "serial", "result"], "Moves of the robot: done, refused before any motion, or failed")
        .from(|site| changers(site, |library| vec![
            (vec!["done".into()], library.moves.done.into()),
            (vec!["refused".into()], library.moves.refused.into()),
            (vec!["failed".into()], library.moves.failed.into()),
        ])),
    row("ferric_changer_commands", Counter, &["library", "serial", "opcode", "status"], "Commands of hosts by operation code (hexadecimal) and status")
        .from(|site| changers(site, |library| commands(&library.changer))),
    row("ferric_changer_command_duration", Histogram, CHANGER, "Execution times of commands")
        .in_unit(Seconds)
        .from(|site| changer(site, |unit| Value::Durations(unit.commands.run_us.clone()))),
    row("ferric_changer_command_wait", Histogram, CHANGER, "Times of commands in the queue before their execution")
        .in_unit(Seconds)
        .from(|site| changer(site, |unit| Value::Durations(unit.commands.queued_us.clone()))),
    row("ferric_changer_sense", Counter, &["library", "serial", "key", "asc", "ascq"], "Commands that ended with sense data, by sense key, ASC and ASCQ (hexadecimal)")
        .from(|site| changers(site, |library| sense(&library.changer))),
    row("ferric_changer_queue_depth", Gauge, CHANGER, "Commands of hosts that wait, run or have a delayed status")
        .from(|site| changer(site, |unit| unit.queue_depth as u64)),
    row("ferric_changer_online", Gauge, CHANGER, "0 while an operator has set the robot offline")
        .from(|site| changer(site, |unit| unit.online)),
    row("ferric_changer_faulty", Gauge, CHANGER, "1 while the changer ends every command with HARDWARE ERROR 44h/00h, after an internal error")
        .from(|site| changer(site, |unit| unit.faulty)),
    row("ferric_changer_tapealert", Gauge, &["library", "serial", "flag", "name"], "1 for each raised TapeAlert flag; absent for the others")
        .from(|site| changers(site, |library| alerts(&library.changer))),
    row("ferric_library_elements", Gauge, &["library", "element", "state"], "Slots and I/O elements (`slot`, `io`) by state: `full`, `empty`, `disabled` or `blocked`")
        .from(|site| {
            let libraries = site.libraries.iter();
            let counts = libraries.flat_map(|library| library.elements.iter().map(move |count| (&library.name, count)));
            counts.map(|(library, count)| labelled([library, &count.element, &count.state], count.count)).collect()
        }),
    row("ferric_cartridges", Gauge, &["library", "pool", "state"], "Cartridges by library (empty: on a shelf), pool (empty: of no pool) and state: `blank`, `written`, `unknown` (in a drive, or not read since), `cleaning` or `unusable`")
        .from(|site| site.cartridges.iter().map(|count| labelled([&count.library, &count.pool, &count.state], count.count)).collect()),
    // Storage.
    row("ferric_storage_free", Gauge, &["directory"], "Free space of the file system of a directory that the site writes to")
        .in_unit(Bytes)
        .from(|site| site.directories.iter().map(|space| labelled([&space.directory], space.free_bytes)).collect()),
    row("ferric_storage_size", Gauge, &["directory"], "Size of the file system of a directory that the site writes to")
        .in_unit(Bytes)
        .from(|site| site.directories.iter().map(|space| labelled([&space.directory], space.size_bytes)).collect()),
    row("ferric_storage_sync", Histogram, &[], "Times that the files of cartridges took to synchronise")
        .in_unit(Seconds)
        .from(|site| one(Value::Durations(site.sync_us.clone()))),
    row("ferric_storage_corrupt_records", Counter, &["directory"], "Records that drives could not read, or that verifications found damaged, by the directory of their cartridges")
        .from(|site| site.corrupt_records.iter().map(|count| labelled([&count.directory], count.found)).collect()),
    // Shelves on object storage.
    row("ferric_shelf_cartridges", Gauge, &["shelf"], "Cartridges of the site whose files are on a shelf on object storage")
        .from(|site| shelf(site, |shelf| shelf.cartridges)),
    row("ferric_shelf_unshelved", Gauge, &["shelf"], "Bytes that are on the local disk, and not on the shelf yet")
        .in_unit(Bytes)
        .from(|site| shelf(site, |shelf| shelf.unshelved_bytes)),
    row("ferric_shelf_cached", Gauge, &["shelf"], "Bytes on the local disk that the shelf has, too")
        .in_unit(Bytes)
        .from(|site| shelf(site, |shelf| shelf.cached_bytes)),
    row("ferric_shelf_cache", Gauge, &["shelf"], "Maximum number of bytes on the local disk that the shelf has, too")
        .in_unit(Bytes)
        .from(|site| shelf(site, |shelf| shelf.cache_bytes)),
    row("ferric_shelf_responds", Gauge, &["shelf"], "0 if the object store did not respond the last time")
        .from(|site| shelf(site, |shelf| shelf.error.is_none())),
    row("ferric_shelf_replica_lag_cartridges", Gauge, &["shelf", "replica"], "Cartridges whose newest state the replica of a shelf may not have")
        .from(|site| replica(site, |replica| replica.cartridges)),
    row("ferric_shelf_replica_lag", Gauge, &["shelf", "replica"], "Bytes that the replica of a shelf does not have, of changed cartridges and of copies in progress")
        .in_unit(Bytes)
        .from(|site| replica(site, |replica| replica.bytes)),
    row("ferric_shelf_replica_lag_age", Gauge, &["shelf", "replica"], "Time since the first change that the replica of a shelf does not have")
        .in_unit(Seconds)
        .from(|site| replica(site, |replica| replica.seconds)),
    // iSCSI portals.
    row("ferric_iscsi_connections", Gauge, &["portal"], "Open connections, logged in or not")
        .from(|site| portal(site, |counters| counters.connections)),
    row("ferric_iscsi_sessions", Gauge, &["portal"], "Open normal sessions")
        .from(|site| portal(site, |counters| counters.sessions)),
    row("ferric_iscsi_logins", Counter, &["portal"], "Logins to targets that were accepted")
        .from(|site| portal(site, |counters| counters.logins)),
    row("ferric_iscsi_logins_refused", Counter, &["portal", "status"], "Logins that were refused, by status class and detail (hexadecimal)")
        .from(|site| {
            let portals = site.portals.iter();
            let refused = portals.flat_map(|portal| portal.counters.logins_refused.iter().map(|count| (portal.address, count)));
            refused.map(|(address, (status, count))| labelled([&address.to_string(), status], *count)).collect()
        }),
    row("ferric_iscsi_received", Counter, &["portal"], "Bytes that were received from initiators, with the headers of PDUs")
        .in_unit(Bytes)
        .from(|site| portal(site, |counters| counters.received_bytes)),
    row("ferric_iscsi_sent", Counter, &["portal"], "Bytes that were sent to initiators, with the headers of PDUs")
        .in_unit(Bytes)
        .from(|site| portal(site, |counters| counters.sent_bytes)),
    // Notification targets.
    row("ferric_notify_waiting_events", Gauge, &["target"], "Events that are not delivered to the notification target yet")
        .from(|site| notify(site, |target| target.waiting)),
    row("ferric_notify_delivered_events", Counter, &["target"], "Events that were delivered to the notification target")
        .from(|site| notify(site, |target| target.delivered)),
    row("ferric_notify_failed_attempts", Counter, &["target"], "Attempts to deliver to the notification target that failed")
        .from(|site| notify(site, |target| target.failed_attempts)),
    row("ferric_notify_dead_letters", Counter, &["target"], "Events for the notification target that were given up: too old, or too many")
        .from(|site| notify(site, |target| target.dead_letters)),
    row("ferric_notify_failures", Gauge, &["target"], "Attempts that failed since the last delivery to the notification target; 0 while it works")
        .from(|site| notify(site, |target| target.failures.into())),
    row("ferric_notify_last_delivery_time", Gauge, &["target"], "Time of the last delivery to the notification target, since 1970; absent before the first one")
        .in_unit(Seconds)
        .from(|site| {
            let delivered = site.notify.iter().filter_map(|target| Some((&target.target, target.last_delivery?)));
            delivered.map(|(target, at)| labelled([target], at / 1000)).collect()
        }),
    // The process, with the names of the client libraries of Prometheus.
    row("process_resident_memory", Gauge, &[], "Resident memory of the daemon")
        .in_unit(Bytes)
        .from(|site| one(site.process.resident_bytes)),
    row("process_virtual_memory", Gauge, &[], "Virtual memory of the daemon")
        .in_unit(Bytes)
        .from(|site| one(site.process.virtual_bytes)),
    row("process_threads", Gauge, &[], "Threads of the daemon")
        .from(|site| one(site.process.threads)),
];
