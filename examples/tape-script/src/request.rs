//! The requests of `ioctl(2)` on generic devices, changers and SCSI devices by name, and the fields of their arguments.

use crate::memory::{FILL, Memory};
use crate::step::Words;
use linux_scsi::sg::ioctl::Address;
use std::fmt::Write as _;

/// A request with its argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRequest {
    /// Number of the request for `ioctl(2)`.
    pub number: u32,
    layout: &'static str,
    /// The bytes of the argument before the call; `None` for a null pointer.
    argument: Option<Vec<u8>>,
}

/// Name, number and layout of the argument: a letter for each field, see [`width`].
const REQUESTS: [(&str, u32, &str); 43] = [
    ("START_UNIT", 5, ""),
    ("STOP_UNIT", 6, ""),
    ("BLKSECTGET", 0x1267, "i"),
    ("SG_SET_TIMEOUT", 0x2201, "i"),
    ("SG_GET_TIMEOUT", 0x2202, ""),
    ("SG_EMULATED_HOST", 0x2203, "i"),
    ("SG_SET_TRANSFORM", 0x2204, ""),
    ("SG_GET_TRANSFORM", 0x2205, "i"),
    ("SG_GET_COMMAND_Q", 0x2270, "i"),
    ("SG_SET_COMMAND_Q", 0x2271, "i"),
    ("SG_GET_RESERVED_SIZE", 0x2272, "i"),
    ("SG_SET_RESERVED_SIZE", 0x2275, "i"),
    ("SG_GET_SCSI_ID", 0x2276, "hiilissii"),
    ("SG_SET_FORCE_LOW_DMA", 0x2279, "i"),
    ("SG_GET_LOW_DMA", 0x227a, "i"),
    ("SG_SET_FORCE_PACK_ID", 0x227b, "i"),
    ("SG_GET_PACK_ID", 0x227c, "i"),
    ("SG_GET_NUM_WAITING", 0x227d, "i"),
    ("SG_SET_DEBUG", 0x227e, "i"),
    ("SG_GET_SG_TABLESIZE", 0x227f, "i"),
    ("SG_GET_VERSION_NUM", 0x2282, "i"),
    ("SG_NEXT_CMD_LEN", 0x2283, "i"),
    ("SG_SCSI_RESET", 0x2284, "i"),
    ("SG_SET_KEEP_ORPHAN", 0x2287, "i"),
    ("SG_GET_KEEP_ORPHAN", 0x2288, "i"),
    ("SG_GET_ACCESS_COUNT", 0x2289, "i"),
    ("DOORLOCK", 0x5380, ""),
    ("DOORUNLOCK", 0x5381, ""),
    ("GET_IDLUN", 0x5382, "pi"),
    ("PROBE_HOST", 0x5385, "n"),
    ("GET_BUS_NUMBER", 0x5386, "h"),
    ("CHIOMOVE", 0x4014_6301, "iiiii"),
    ("CHIOEXCHANGE", 0x401c_6302, "iiiiiii"),
    ("CHIOPOSITION", 0x400c_6303, "iii"),
    ("CHIOGPICKER", 0x8004_6304, "i"),
    ("CHIOSPICKER", 0x4004_6305, "i"),
    ("CHIOGPARAMS", 0x8014_6306, "iiiii"),
    ("CHIOGSTATUS", 0x4010_6308, "i.a"),
    ("CHIOGELEM", 0x406c_6310, "iiiiiiiitti"),
    ("CHIOINITELEM", 0x6311, ""),
    ("CHIOSVOLTAG", 0x4030_6312, "iiti"),
    ("CHIOGVPARAMS", 0x8070_6313, "iuiuiuiuiiiiiiii"),
    ("SG_IO", 0x2285, ""),
];

/// Places of the argument, and of the bytes behind its pointer, in the memory of a call.
const ARGUMENT_AT: usize = 0;
const POINTED_AT: usize = 4096;
const POINTED_LEN: usize = 256;

/// Bytes of a field: `i` a number, `s` a short number, `h` the number of the host, `l` that of the LUN, `p` both and the
/// target in one number, `t` and `u` texts, `n` a number that a text replaces, `a` the address of bytes, `.` padding.
fn width(field: char) -> usize {
    match field {
        's' => 2,
        't' => 36,
        'u' => 16,
        'n' => 64,
        'a' => 8,
        _ => 4,
    }
}

impl NamedRequest {
    /// The request with this name and an argument with these values, as many as the fields `i`, `t` and `n` have. A field
    /// without a value is filled. `null` alone is the null pointer.
    ///
    /// # Errors
    /// The fault in the values.
    pub(crate) fn parse<'a>(name: &str, words: &mut Words<'a>) -> Result<Self, &'static str> {
        let known = REQUESTS.iter().find(|(known, ..)| *known == name).ok_or("unknown request")?;
        let (_, number, layout) = *known;
        if words.next_if(|word| *word == "null").is_some() {
            return Ok(Self { number, layout, argument: None });
        }
        let mut argument = Vec::new();
        for field in layout.chars() {
            let value = if "itn".contains(field) { words.next() } else { None };
            let start = argument.len();
            match value {
                Some(text) if field == 't' => argument.extend_from_slice(text.as_bytes()),
                Some(number) => argument.extend_from_slice(&parse_number(number)?.to_le_bytes()),
                None => {}
            }
            let fill = if field == 't' && value.is_some() { b' ' } else { FILL };
            argument.resize(start + width(field), fill);
        }
        Ok(Self { number, layout, argument: Some(argument) })
    }

    /// Memory with the argument, and the address of the argument.
    pub(crate) fn prepare(&self) -> (Memory, u64) {
        let mut memory = Memory::new(POINTED_AT + POINTED_LEN);
        let Some(argument) = &self.argument else { return (memory, 0) };
        memory.store(ARGUMENT_AT, argument);
        let mut at = ARGUMENT_AT;
        for field in self.layout.chars() {
            if field == 'a' {
                let pointed = memory.address(POINTED_AT).to_le_bytes();
                memory.store(at, &pointed);
            }
            at += width(field);
        }
        let address = memory.address(ARGUMENT_AT);
        (memory, address)
    }

    /// The values of the argument after the call if the call changed it, and the bytes behind its pointer.
    pub(crate) fn changes(&self, memory: &mut Memory, address: Address) -> String {
        let Some(before) = &self.argument else { return String::new() };
        let after = memory.bytes(ARGUMENT_AT, before.len()).to_vec();
        let mut text = String::new();
        if after != *before && !self.layout.contains('a') {
            let mut rest = after.as_slice();
            for field in self.layout.chars() {
                let (bytes, next) = rest.split_at(width(field).min(rest.len()));
                rest = next;
                let _ = write!(text, " {}", value_text(field, bytes, address));
            }
        }
        if self.layout.contains('a') {
            let pointed = memory.bytes(POINTED_AT, POINTED_LEN);
            let end = pointed.iter().rposition(|byte| *byte != FILL).map_or(0, |last| last + 1);
            let _ = write!(text, " {}", crate::run::hex(pointed.get(..end).unwrap_or_default()));
        }
        text.trim_end().to_owned()
    }
}

/// A number of 32 bits: decimal, or hexadecimal after `0x`.
pub(crate) fn parse_number(word: &str) -> Result<i32, &'static str> {
    let parsed = match word.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).map(u32::cast_signed),
        None => word.parse(),
    };
    parsed.map_err(|_| "expected a number of 32 bits")
}

/// The text of a field. What depends on the machine is a word if it is right: `host`, `lun`, `address`.
fn value_text(field: char, bytes: &[u8], address: Address) -> String {
    let number = bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let low = u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0);
    let Address { host, channel, target, lun } = address;
    match field {
        't' | 'u' | 'n' => text(bytes),
        's' => low.to_string(),
        'h' if low == host => "host".into(),
        'l' if low == lun => "lun".into(),
        'p' if low == (target & 0xff) | (lun & 0xff) << 8 | (channel & 0xff) << 16 | (host & 0xff) << 24 => {
            "address".into()
        }
        _ => low.cast_signed().to_string(),
    }
}

/// Characters without the blanks and null bytes at the end; anything else in hexadecimal.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|byte| ![b' ', 0, FILL].contains(byte)).map_or(0, |last| last + 1);
    let bytes = bytes.get(..end).unwrap_or_default();
    if bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        format!("{:?}", String::from_utf8_lossy(bytes))
    } else {
        crate::run::hex(bytes)
    }
}
