//! Random cases from a seed.

use crate::run::digest;
use std::fmt::Write as _;

/// A script of one case with `steps` random steps, always the same for a seed. `kind` is a kind of cartridge; with
/// `mixed`, a large cartridge gets two partitions, and the steps also set options, load, change the partition and fail.
#[must_use]
pub fn script(seed: u64, steps: u32, kind: &str) -> String {
    let mut random = Random::new(seed);
    let probe = match seed % 3 {
        0 => "",
        1 => " get",
        _ => " pos",
    };
    let is_mixed = kind == "mixed";
    let cartridge = if is_mixed { "large" } else { kind };
    let mut text = format!("case random-{kind}-{steps}-{seed}{probe}\nload {cartridge}\nopen a nst rw\n");
    if is_mixed {
        text.push_str("op a SETDRVBUFFER 0x30000400\nop a MKPART 1000\n");
    }
    for _ in 0..steps {
        let mut step = if is_mixed && random.below(5) == 0 { random.mixed_step() } else { random.step() };
        if is_mixed && step.starts_with("op a SEEK") {
            // After a failed MTSEEK with partitions, Linux' driver moves the tape once more; linux-scsi does not.
            step = "op a SEEK 0".into();
        }
        let _ = writeln!(text, "{step}");
    }
    text.push_str("close a\n");
    text
}

/// The script of the random case with this name, `random-KIND-STEPS-SEED`; `None` for any other name.
#[must_use]
pub fn by_name(name: &str) -> Option<String> {
    let mut words = name.strip_prefix("random-")?.split('-');
    let (kind, steps, seed) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(script(seed, steps, kind))
}

/// Number of results for which there is one digest.
const RESULTS: usize = 10;

/// The digests of the results of a case, in hexadecimal: one for ten results.
#[must_use]
pub fn digests(results: &[String]) -> String {
    let digest = |results: &[String]| format!("{:08x}", digest(results.join("\n").as_bytes()));
    results.chunks(RESULTS).map(digest).collect::<Vec<_>>().join(" ")
}

/// Numbers that a seed decides (xorshift).
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number, from 0 up to but not including `limit`, which is not 0.
    pub const fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn pick<T: Copy + Default>(&mut self, from: &[T]) -> T {
        let index = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        from.get(index).copied().unwrap_or_default()
    }

    fn step(&mut self) -> String {
        const LENGTHS: [usize; 9] = [0, 1, 100, 512, 1000, 1024, 4096, 10240, 65536];
        match self.below(100) {
            0..28 => format!("write a {}", self.pick(&LENGTHS)),
            28..60 => format!("read a {}", self.pick(&LENGTHS)),
            60..66 => format!("op a WEOF {}", self.below(3)),
            66..70 => "op a REW 1".into(),
            70..76 => format!("op a {} {}", self.pick(&["FSF", "BSF", "FSFM", "BSFM"]), self.below(4)),
            76..84 => format!("op a {} {}", self.pick(&["FSR", "BSR"]), self.below(5)),
            84..87 => "op a EOM 1".into(),
            87..90 => format!("op a SEEK {}", self.below(40)),
            90..94 => format!("op a SETBLK {}", self.pick(&[0, 0, 512, 1024])),
            94..96 => "op a NOP 1".into(),
            96..97 => "op a ERASE 0".into(),
            97..98 => "op a WEOFI 1".into(),
            _ => format!("close a\nopen a {} {}", self.pick(&["nst", "nst", "st"]), self.pick(&["rw", "rw", "r"])),
        }
    }

    fn mixed_step(&mut self) -> String {
        // Two filemarks, fast MTEOM, System V, SILI, read-ahead, logical addresses.
        const OPTIONS: [u32; 6] = [0x10, 0x20, 0x1000, 0x4000, 0x4, 0x800];
        const COMMANDS: [&str; 5] = ["08", "0a", "10", "11", "01"];
        const SENSES: [&str; 6] = ["03 11 00", "04 44 00", "06 29 00", "0b 00 00", "05 24 00", "02 04 01"];
        match self.below(12) {
            0..3 => format!("op a SETPART {}", self.below(2)),
            3..5 => {
                let set = self.pick(&[0x3000_0000, 0x4000_0000_u32]);
                format!("op a SETDRVBUFFER 0x{:08x}", set | self.pick(&OPTIONS))
            }
            5 => format!("op a {} 1", self.pick(&["RETEN", "LOAD", "LOCK", "UNLOCK", "COMPRESSION", "FSS"])),
            6 => format!("op a {} 1\nop a NOP 1\nop a LOAD 1", self.pick(&["UNLOAD", "OFFL"])),
            7..10 => format!("fault {} {}", self.pick(&COMMANDS), self.pick(&SENSES)),
            10 => "close a\nopen a nst r nonblock".into(),
            _ => "close a\nopen a st rw".into(),
        }
    }
}
