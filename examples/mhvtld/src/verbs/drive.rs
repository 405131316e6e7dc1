//! What a drive understands.

use crate::Reply;
use ssc::timing::Motion;
use std::time::Duration;
use tape_store::medium::Codec;
use vtl::unit::{Device, Unit};

/// Settings of a drive; nothing, if a text is about its cartridge.
#[must_use]
pub fn apply_setting(unit: &Unit, text: &str) -> Option<Reply> {
    let text = text.trim_end().to_ascii_lowercase();
    if let Some(rest) = text.strip_prefix("delay ") {
        return Some(set_delay(unit, rest));
    }
    if let Some(codec) = text.strip_prefix("compression ") {
        return Some(set_compression(unit, codec.trim()));
    }
    if let Some(answer) = text.strip_prefix("append only ") {
        return Some(set_append_only(unit, answer.trim()));
    }
    text.starts_with("dump").then(|| {
        with_drive(unit, |drive| {
            let media: Vec<String> = drive
                .supported_media()
                .map(|(name, writes)| format!("{name}{}", if writes { "" } else { " (read only)" }))
                .collect();
            tracing::warn!(unit = unit.name(), media = media.join(", "), "media that can be loaded");
            Reply::NoReply
        })
    })
}

fn with_drive(unit: &Unit, call: impl FnOnce(&mut ssc::drive::Drive) -> Reply) -> Reply {
    unit.with_device(|device| match device {
        Device::Drive(drive) => call(drive),
        Device::Changer(_) => Reply::Rejected("this is no drive".into()),
    })
}

/// A motion and its seconds: at most 20, 30 of a rewind.
fn set_delay(unit: &Unit, text: &str) -> Reply {
    let mut words = text.split_whitespace();
    let (Some(what), seconds) = (words.next(), words.next().unwrap_or("0")) else {
        return Reply::Rejected("load, unload, rewind, position or thread, and seconds, are needed".into());
    };
    let Ok(seconds) = seconds.parse::<u64>() else {
        return Reply::Rejected(format!("{seconds:?} is no number of seconds"));
    };
    let (motion, most) = match what {
        // Threading is a part of loading.
        "load" | "thread" => (Motion::Load, 20),
        "unload" => (Motion::Unload, 20),
        "position" => (Motion::Position, 20),
        "rewind" => (Motion::Rewind, 30),
        other => return Reply::Rejected(format!("{other:?} is not load, unload, rewind, position or thread")),
    };
    unit.set_delay(motion, Duration::from_secs(seconds.min(most)));
    Reply::NoReply
}

fn set_compression(unit: &Unit, name: &str) -> Reply {
    match name {
        // LZO is read, but not written: mhvtl reads either.
        "lzo" | "zlib" => with_drive(unit, |drive| {
            drive.set_codec(Codec::zlib(1));
            Reply::NoReply
        }),
        other => Reply::Rejected(format!("{other:?} is neither lzo nor zlib")),
    }
}

fn set_append_only(unit: &Unit, answer: &str) -> Reply {
    let on = match answer {
        "yes" => true,
        "no" => false,
        other => return Reply::Rejected(format!("{other:?} is neither Yes nor No")),
    };
    with_drive(unit, |drive| {
        if drive.set_append_only(on) {
            Reply::NoReply
        } else {
            Reply::Rejected("this model has no append-only mode".into())
        }
    })
}
