//! The control tool's commands for the settings of a drive.

use crate::Reply;
use ssc::timing::Motion;
use std::time::Duration;
use tape_store::medium::Codec;
use vtl::unit::{Device, Unit};

/// Executes a command for the settings of a drive; `None` if the text is not such a command.
#[must_use]
pub fn apply_setting(unit: &Unit, text: &str) -> Option<Reply> {
    let text = text.trim_end().to_ascii_lowercase();
    if let Some(rest) = text.strip_prefix("delay ") {
        return Some(set_delay(unit, rest));
    }
    if let Some(codec) = text.strip_prefix("compression ") {
        return Some(set_compression(unit, codec.trim()));
    }
    if let Some(value) = text.strip_prefix("append only ") {
        return Some(set_append_only(unit, value.trim()));
    }
    text.starts_with("dump").then(|| {
        with_drive(unit, |drive| {
            let media: Vec<String> = drive
                .supported_media()
                .map(|(name, writes)| format!("{name}{}", if writes { "" } else { " (read only)" }))
                .collect();
            tracing::warn!(unit = %unit.name(), media = media.join(", "), "supported media");
            Reply::NoReply
        })
    })
}

fn with_drive(unit: &Unit, call: impl FnOnce(&mut ssc::drive::Drive) -> Reply) -> Reply {
    unit.with_device(|device| match device {
        Device::Drive(drive) => call(drive),
        Device::Changer(_) => Reply::Rejected("the unit is not a drive".into()),
    })
}

/// Sets the delay of a motion in seconds: at most 20, or 30 for rewind; a larger value is reduced to that.
fn set_delay(unit: &Unit, text: &str) -> Reply {
    let mut words = text.split_whitespace();
    let (Some(name), seconds) = (words.next(), words.next().unwrap_or("0")) else {
        return Reply::Rejected(
            "no motion given; expected load, unload, rewind, position or thread, and seconds".into(),
        );
    };
    let Ok(seconds) = seconds.parse::<u64>() else {
        return Reply::Rejected(format!("{seconds:?} is not a number of seconds"));
    };
    let (motion, max_seconds) = match name {
        // Threading is a part of loading.
        "load" | "thread" => (Motion::Load, 20),
        "unload" => (Motion::Unload, 20),
        "position" => (Motion::Position, 20),
        "rewind" => (Motion::Rewind, 30),
        other => {
            return Reply::Rejected(format!("{other:?} is invalid; expected load, unload, rewind, position or thread"));
        }
    };
    unit.set_delay(motion, Duration::from_secs(seconds.min(max_seconds)));
    Reply::NoReply
}

fn set_compression(unit: &Unit, name: &str) -> Reply {
    match name {
        // Ferric does not write LZO; mhvtl reads both.
        "lzo" | "zlib" => with_drive(unit, |drive| {
            drive.set_codec(Codec::zlib(1));
            Reply::NoReply
        }),
        other => Reply::Rejected(format!("{other:?} is invalid; expected lzo or zlib")),
    }
}

fn set_append_only(unit: &Unit, value: &str) -> Reply {
    let on = match value {
        "yes" => true,
        "no" => false,
        other => return Reply::Rejected(format!("{other:?} is invalid; expected Yes or No")),
    };
    with_drive(unit, |drive| {
        if drive.set_append_only(on) {
            Reply::NoReply
        } else {
            Reply::Rejected("this model has no append-only mode".into())
        }
    })
}
