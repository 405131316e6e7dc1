//! The kinds of faults: one table for the script, its errors, and the documentation.

use scsi_core::asc::Asc;
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::status::Status;
use smc::element::LabelDefect;
use smc::robot::{RobotFault, RobotOutcome};

/// A kind of fault, as `kind` in a script names it.
#[derive(Debug)]
#[non_exhaustive]
pub struct FaultKind {
    /// The value of `kind` in a script, unique among the kinds.
    pub name: &'static str,
    /// What happens, in one line.
    pub summary: &'static str,
    /// Commands that fail by default, by their names in the standards without the length of the CDB; all if empty. For a
    /// robot or a label, none.
    pub commands: &'static [&'static str],
    /// TapeAlert flags that the fault raises in addition to the flags of its sense data.
    pub alerts: &'static [u8],
    pub(super) effect: Effect,
}

/// The effect of a fault of a kind.
#[derive(Debug)]
pub(super) enum Effect {
    /// The command does not run.
    Failure(Sense),
    /// The command does not run, if byte 4 has LOAD as here.
    LoadUnload {
        load: bool,
        sense: Sense,
    },
    /// The command runs.
    After(Sense),
    /// The sense data of the script; the command does not run.
    OwnSense,
    /// The sense data of the script; the command runs.
    OwnSenseAfter,
    Status(Status),
    Delay,
    Slow,
    /// The command takes longer by the factor of the script; the unit models its time.
    SlowByFactor,
    /// The block is read with a wrong CRC, by a nexus with logical block protection.
    WrongCrc,
    LoseSession,
    /// The link of the initiator is cut for `outage_ms`.
    CutLink,
    /// NOP-Out PDUs get no NOP-In.
    IgnoreNopOut,
    LosePower,
    Drop,
    DropResponse,
    LoseFilemark(Sense),
    Robot(&'static [RobotFault], RobotOutcome),
    Label(LabelDefect),
}

const READS: &[&str] = &["READ"];
const WRITES: &[&str] = &["WRITE", "WRITE FILEMARKS"];
const TRANSFERS: &[&str] = &["READ", "WRITE"];
const LOAD: &[&str] = &["LOAD UNLOAD"];
const ALL: &[&str] = &[];

const fn sense(key: SenseKey, asc: Asc) -> Sense {
    Sense::new(key, asc)
}

const fn kind(
    name: &'static str,
    commands: &'static [&'static str],
    effect: Effect,
    summary: &'static str,
) -> FaultKind {
    FaultKind { name, summary, commands, alerts: &[], effect }
}

const fn robot(
    name: &'static str,
    operations: &'static [RobotFault],
    outcome: RobotOutcome,
    summary: &'static str,
) -> FaultKind {
    kind(name, ALL, Effect::Robot(operations, outcome), summary)
}

impl FaultKind {
    const fn with_alerts(self, alerts: &'static [u8]) -> Self {
        Self { alerts, ..self }
    }

    /// The kind of this name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        FAULT_KINDS.iter().find(|kind| kind.name == name)
    }

    /// Whether the fault belongs to commands of hosts.
    #[must_use]
    pub const fn is_of_commands(&self) -> bool {
        !matches!(self.effect, Effect::Robot(..) | Effect::Label(_) | Effect::IgnoreNopOut)
    }

    /// Whether the fault acts on iSCSI connections.
    #[must_use]
    pub const fn is_of_connections(&self) -> bool {
        matches!(self.effect, Effect::LoseSession | Effect::CutLink | Effect::IgnoreNopOut)
    }

    /// Whether the fault belongs to motions of the robot.
    #[must_use]
    pub const fn is_of_robot(&self) -> bool {
        matches!(self.effect, Effect::Robot(..))
    }
}

/// All kinds of faults, in the order of docs/faults.md.
pub static FAULT_KINDS: &[FaultKind] = &[
    kind(
        "recovered_read",
        READS,
        Effect::After(sense(SenseKey::RECOVERED_ERROR, Asc::RECOVERED_DATA_WITH_RETRIES)),
        "the data is read, with RECOVERED ERROR 17h/01h and TapeAlert 1",
    ),
    kind(
        "recovered_write",
        &["WRITE"],
        Effect::After(sense(SenseKey::RECOVERED_ERROR, Asc::WRITE_ERROR)),
        "the data is written, with RECOVERED ERROR 0Ch/00h and TapeAlert 2",
    ),
    kind(
        "read_error",
        READS,
        Effect::Failure(sense(SenseKey::MEDIUM_ERROR, Asc::UNRECOVERED_READ_ERROR)),
        "MEDIUM ERROR 11h/00h: nothing is read and the tape does not move; TapeAlert 3 and 5",
    ),
    kind(
        "write_error",
        WRITES,
        Effect::Failure(sense(SenseKey::MEDIUM_ERROR, Asc::WRITE_ERROR)),
        "MEDIUM ERROR 0Ch/00h: nothing is written; TapeAlert 3 and 6",
    ),
    kind(
        "hardware_error",
        ALL,
        Effect::Failure(sense(SenseKey::HARDWARE_ERROR, Asc::INTERNAL_TARGET_FAILURE)),
        "HARDWARE ERROR 44h/00h; the command does not run; TapeAlert 30 of a drive",
    )
    .with_alerts(&[30]),
    kind(
        "aborted_command",
        ALL,
        Effect::Failure(sense(SenseKey::ABORTED_COMMAND, Asc::DATA_PHASE_ERROR)),
        "ABORTED COMMAND 4Bh/00h; the command does not run",
    ),
    kind("sense", ALL, Effect::OwnSense, "the sense data of `sense`; the command does not run"),
    kind("sense_after", ALL, Effect::OwnSenseAfter, "the command runs; if it ends with GOOD, the sense data of `sense`"),
    kind("busy", ALL, Effect::Status(Status::BUSY), "status BUSY; the command does not run"),
    kind("task_set_full", ALL, Effect::Status(Status::TASK_SET_FULL), "status TASK SET FULL; the command does not run"),
    kind(
        "reservation_conflict",
        ALL,
        Effect::Status(Status::RESERVATION_CONFLICT),
        "status RESERVATION CONFLICT; the command does not run",
    ),
    kind("delay", ALL, Effect::Delay, "the command runs; its response comes `delay_ms` later, and the unit is busy until then"),
    kind("slow", TRANSFERS, Effect::Slow, "the command runs; its data takes the time of `bytes_per_second`"),
    kind(
        "slow_by_factor",
        ALL,
        Effect::SlowByFactor,
        "the command runs; it takes `factor` times the [modelled time](timing.md) of the drive, or of the robot with `changer`",
    ),
    kind(
        "wrong_crc",
        READS,
        Effect::WrongCrc,
        "the block is read, and the CRC after it is wrong; only I_T nexuses with LBP_R=1 count",
    ),
    kind("drop_command", ALL, Effect::Drop, "the command does not run, and gets no response"),
    kind("drop_response", ALL, Effect::DropResponse, "the command runs, and gets no response"),
    kind(
        "early_warning",
        WRITES,
        Effect::After(sense(SenseKey::NO_SENSE, Asc::END_OF_PARTITION_MEDIUM_DETECTED).with_eom(true).with_information(0)),
        "the data is written, with EOM as behind early warning",
    ),
    kind(
        "end_of_medium",
        WRITES,
        Effect::Failure(sense(SenseKey::VOLUME_OVERFLOW, Asc::END_OF_PARTITION_MEDIUM_DETECTED).with_eom(true)),
        "VOLUME OVERFLOW 00h/02h with EOM: nothing is written",
    ),
    kind(
        "cleaning_required",
        TRANSFERS,
        Effect::After(sense(SenseKey::RECOVERED_ERROR, Asc::CLEANING_REQUESTED)),
        "the command runs, with RECOVERED ERROR 00h/17h and TapeAlert 20 until the drive is cleaned",
    )
    .with_alerts(&[20]),
    kind(
        "load_failure",
        LOAD,
        Effect::LoadUnload { load: true, sense: sense(SenseKey::HARDWARE_ERROR, Asc::MEDIA_LOAD_OR_EJECT_FAILED) },
        "a load by LOAD UNLOAD ends with HARDWARE ERROR 53h/00h and TapeAlert 55",
    ),
    kind(
        "unload_failure",
        LOAD,
        Effect::LoadUnload { load: false, sense: sense(SenseKey::HARDWARE_ERROR, Asc::UNLOAD_TAPE_FAILURE) },
        "an unload by LOAD UNLOAD ends with HARDWARE ERROR 53h/01h and TapeAlert 56; the cartridge stays loaded",
    ),
    kind(
        "filemark_lost",
        LOAD,
        Effect::LoseFilemark(sense(SenseKey::MEDIUM_ERROR, Asc::WRITE_ERROR)),
        "an unload by LOAD UNLOAD ends with MEDIUM ERROR 0Ch/00h; the filemark at end of data is gone; TapeAlert 3, 6, 51 and 52",
    )
    .with_alerts(&[51, 52]),
    robot("robot_pick", &[RobotFault::Pick], RobotOutcome::Fail, "the robot cannot pick a cartridge: HARDWARE ERROR 15h/01h"),
    robot("robot_place", &[RobotFault::Place], RobotOutcome::Fail, "the robot cannot place a cartridge: HARDWARE ERROR 15h/01h"),
    robot("robot_load", &[RobotFault::Load], RobotOutcome::Fail, "a drive rejects a cartridge: HARDWARE ERROR 53h/00h; TapeAlert 55 of the drive"),
    robot("cartridge_stuck", &[RobotFault::Unload], RobotOutcome::Fail, "a drive does not release its cartridge: HARDWARE ERROR 53h/01h; TapeAlert 56 of the drive"),
    robot(
        "double_pick",
        &[RobotFault::Pick, RobotFault::Unload],
        RobotOutcome::DoublePick,
        "the robot picks two cartridges: HARDWARE ERROR 3Bh/16h",
    ),
    robot(
        "door_opened",
        &[RobotFault::Place, RobotFault::Load],
        RobotOutcome::OpenDoor,
        "the access door is opened during the move and stays open: NOT READY 04h/18h",
    ),
    kind("lost_session", ALL, Effect::LoseSession, "the command runs; the iSCSI session ends without a response"),
    kind(
        "cut_link",
        ALL,
        Effect::CutLink,
        "the command runs; for `outage_ms`, nothing passes between the iSCSI portal and the address of the initiator",
    ),
    kind("nop_unanswered", ALL, Effect::IgnoreNopOut, "a NOP-Out of an iSCSI initiator gets no NOP-In"),
    kind(
        "power_loss",
        ALL,
        Effect::LosePower,
        "the command does not run; all units lose data that is not synchronised, and all sessions end",
    ),
    kind("unreadable_label", ALL, Effect::Label(LabelDefect::Unreadable), "the labels of the cartridges of `barcode` cannot be read"),
    kind("missing_label", ALL, Effect::Label(LabelDefect::Missing), "the cartridges of `barcode` have no label"),
];
