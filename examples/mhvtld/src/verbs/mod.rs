//! The commands of mhvtl's control tool to units, and the replies.
//!
//! A command is recognised by the prefix of its text, as in mhvtl; an unknown command gets no reply.

pub mod drive;
pub mod library;

use crate::Reply;
use crate::log::Log;
use vtl::unit::Unit;

/// Executes a command that drives and libraries have in common; `None` if the text is not such a command.
#[must_use]
pub fn common(unit: &Unit, log: &Log, text: &str) -> Option<Reply> {
    if let Some(flags) = text.strip_prefix("TapeAlert") {
        return Some(set_alerts(unit, flags));
    }
    match text {
        _ if text.starts_with("status") => {
            return Some(Reply::Text(
                unit.faulty().map_or_else(|| "Online".into(), |reason| format!("Faulty: {reason}")),
            ));
        }
        _ if text.starts_with("exit") => return Some(Reply::Exit),
        _ if text.starts_with("verbose") => log.quieter(),
        _ if text.starts_with("debug") => log.louder(),
        _ if text.starts_with("InquiryDataChange") => unit.report_inquiry_change(),
        _ => return None,
    }
    Some(Reply::NoReply)
}

/// Sets the 64 TapeAlert flags of a drive without a site.
fn set_alerts(unit: &Unit, text: &str) -> Reply {
    match parse_alerts(text) {
        Err(message) => Reply::Rejected(message),
        Ok(wanted) => {
            unit.with_device(|device| (1..=64).for_each(|flag| device.set_alert(flag, wanted.contains(&flag))));
            Reply::NoReply
        }
    }
}

/// The TapeAlert flags of a message, 1 to 64: the least significant bit of the number is flag 1.
///
/// # Errors
/// The text is not a hexadecimal number of 64 bits.
pub(crate) fn parse_alerts(text: &str) -> Result<Vec<u8>, String> {
    let text = text.trim();
    let flags = u64::from_str_radix(text, 16)
        .map_err(|_| format!("{text:?} is invalid; expected up to 16 hexadecimal digits"))?;
    Ok((1..=64_u8).filter(|flag| flags >> (flag - 1) & 1 == 1).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
    use vtl::Library;

    #[test]
    fn status_of_a_unit_names_an_internal_error() {
        let site = Library::builder().slots(4).drives("ULT3580-TD8", 1).open().unwrap();
        let unit = site.libraries()[0].drives().remove(0);
        let status = || match common(&unit, &Log::default(), "status") {
            Some(Reply::Text(text)) => text,
            _ => panic!("no text"),
        };
        assert_eq!(status(), "Online");
        let call = || unit.with_device(|_| panic_any("the panic that the test wants"));
        assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
        let expected =
            "Faulty: internal error in this program; to use it again, load a cartridge or set the drive online";
        assert_eq!(status(), expected);
    }
}
