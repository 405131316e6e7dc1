//! Random cases from a seed.

use std::fmt::Write as _;

/// A script of one case with `steps` random steps on a kind of cartridge, always the same for a seed.
#[must_use]
pub fn script(seed: u64, steps: u32, kind: &str) -> String {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let probe = match seed % 3 {
        0 => "",
        1 => " get",
        _ => " pos",
    };
    let mut text = format!("case random-{kind}-{seed}{probe}\nload {kind}\nopen a nst rw\n");
    for _ in 0..steps {
        let _ = writeln!(text, "{}", random.step());
    }
    text.push_str("close a\n");
    text
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
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
}
