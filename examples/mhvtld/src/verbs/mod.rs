//! What mhvtl's control tool says to units, and the answers.
//!
//! Texts are compared by their beginnings, as mhvtl does; one that means nothing is not answered.

pub mod drive;
pub mod library;

use crate::Reply;
use crate::log::Log;
use scsi_core::asc::Asc;
use vtl::unit::Unit;

/// What every unit understands; nothing, if it is for this one alone.
#[must_use]
pub fn common(unit: &Unit, log: &Log, text: &str) -> Option<Reply> {
    if let Some(flags) = text.strip_prefix("TapeAlert") {
        return Some(set_alerts(unit, flags.trim()));
    }
    match text {
        _ if text.starts_with("exit") => return Some(Reply::Exit),
        _ if text.starts_with("verbose") => log.quieter(),
        _ if text.starts_with("debug") => log.louder(),
        _ if text.starts_with("InquiryDataChange") => {
            unit.with_device(|device| device.lu().attentions.raise_all(Asc::INQUIRY_DATA_HAS_CHANGED));
        }
        _ => return None,
    }
    Some(Reply::NoReply)
}

/// Sets all flags: the lowest bit is flag 1.
fn set_alerts(unit: &Unit, text: &str) -> Reply {
    let Ok(flags) = u64::from_str_radix(text, 16) else {
        return Reply::Rejected(format!("{text:?} is not up to sixteen hexadecimal digits"));
    };
    unit.with_device(|device| (1..=64_u8).for_each(|flag| device.set_alert(flag, flags >> (flag - 1) & 1 == 1)));
    Reply::NoReply
}
