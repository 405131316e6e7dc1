//! Blocks of bytes in a text with hexadecimal digits, as sg3_utils, ITDT, xxd and hexdump print them.

/// The bytes of consecutive lines, with the lines of text before them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The lines of text between this block and the one before, in lower case.
    pub(crate) heading: String,
    /// The bytes of the block.
    pub(crate) bytes: Vec<u8>,
}

/// The blocks of a text. A block ends at a line without bytes, and before a line whose address is 0.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut heading, mut is_open) = (String::new(), false);
    for line in text.lines() {
        let Some(HexLine { address, bytes }) = HexLine::parse(line) else {
            is_open = false;
            heading += &line.to_lowercase();
            heading.push('\n');
            continue;
        };
        match blocks.last_mut().filter(|block| is_open && address.is_none_or(|at| at == block.bytes.len())) {
            Some(block) => block.bytes.extend(bytes),
            // Numbers in a line of text.
            None if address.is_none() && bytes.len() < MIN_LINE => continue,
            None => blocks.push(Block { heading: std::mem::take(&mut heading), bytes }),
        }
        is_open = true;
    }
    blocks
}

/// Fewest bytes in the first line of a dump without addresses.
const MIN_LINE: usize = 4;
/// Most bytes in a line of a dump.
const MAX_LINE: usize = 32;

/// A line of a dump: an address, if the line has one, and bytes.
struct HexLine {
    address: Option<usize>,
    bytes: Vec<u8>,
}

impl HexLine {
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let digits = first.trim_end_matches(':');
        let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex {
            return None;
        }
        // `00     01 80`, `00000000  01 80`, `00000000: 0180` and `0000 - 0180` begin with an address, `01 80` does not.
        let gap = rest.len() - rest.trim_start().len();
        let dash = rest.trim_start().strip_prefix("- ");
        let is_address = first.ends_with(':') || dash.is_some() || gap >= 2 || digits.len() > 4 && gap >= 1;
        let address = is_address.then(|| usize::from_str_radix(digits, 16).ok()).flatten();
        let bytes = Self::bytes(if is_address { dash.unwrap_or(rest) } else { line }, is_address);
        (!bytes.is_empty() && (is_address || Self::is_bare(line))).then_some(Self { address, bytes })
    }

    /// Whether a line has nothing but bytes.
    fn is_bare(line: &str) -> bool {
        line.split_whitespace().all(|word| word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }

    /// The bytes up to the text beside them, which a gap of three blanks or a bracket separates. In lines with groups of two
    /// bytes, two blanks do.
    fn bytes(text: &str, has_address: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = text.trim_start();
        let mut wide = false;
        while bytes.len() < MAX_LINE {
            let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let ends_word = after.is_empty() || after.starts_with(char::is_whitespace);
            if !matches!(word.len(), 2 | 4 | 8) || !ends_word || (word.len() > 2 && !has_address) {
                break;
            }
            wide |= word.len() > 2;
            bytes.extend(crate::capture::bytes(word).unwrap_or_default());
            let blanks = after.len() - after.trim_start().len();
            if blanks > if wide { 1 } else { 2 } {
                break;
            }
            rest = after.trim_start();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "test code")]

    use super::*;

    fn bytes(text: &str) -> Vec<Vec<u8>> {
        blocks(text).into_iter().map(|block| block.bytes).collect()
    }

    /// The same bytes as `sg_inq -H`, `-HH`, ITDT, `xxd` and `hexdump -C` print them.
    #[test]
    fn lines_of_tools() {
        let expected: Vec<u8> = [&[0x01, 0x80, 0x06, 0x12, 0x41, 0x01, 0x10, 0x02][..], b"IBM     ULT "].concat();
        for text in [
            " 00     01 80 06 12 41 01 10 02  49 42 4d 20 20 20 20 20    ....A...IBM     \n 10     55 4c 54 20                                         ULT ",
            "01 80 06 12 41 01 10 02  49 42 4d 20 20 20 20 20\n55 4c 54 20",
            "0000 - 0180 0612 4101 1002 4942 4D20 2020 2020  [....A...IBM     ]\n0010 - 554C 5420                                [ULT ]",
            "00000000: 0180 0612 4101 1002 4942 4d20 2020 2020  ....A...IBM     \n00000010: 554c 5420                                ULT ",
            "00000000  01 80 06 12 41 01 10 02  49 42 4d 20 20 20 20 20  |....A...IBM     |\n00000010  55 4c 54 20                                       |ULT |",
        ] {
            assert_eq!(bytes(text), std::slice::from_ref(&expected), "{text}");
        }
    }

    #[test]
    fn blocks_end_at_text_and_at_address_zero() {
        let text = "Unit serial number VPD page:\n 00     01 80 00 02 41 42          ..AB\n 00     01 c0 00 00\n\nLog page:\n02 00 00 01\n4d\n";
        assert_eq!(bytes(text), [&[0x01, 0x80, 0, 2, 0x41, 0x42][..], &[0x01, 0xc0, 0, 0], &[0x02, 0, 0, 1, 0x4d]]);
        let blocks = blocks(text);
        assert_eq!(
            (blocks[0].heading.as_str(), blocks[2].heading.as_str()),
            ("unit serial number vpd page:\n", "\nlog page:\n")
        );
    }

    #[test]
    fn text_is_no_block() {
        for text in [
            "Supported log pages  [0x0]:",
            "be quiet",
            "12",
            "deadbeef",
            "added 12 30",
            "Product identification: ab cd",
        ] {
            assert!(bytes(text).is_empty(), "{text}");
        }
    }
}
