//! Random sessions against a simple model of a drive: vectors of objects, and a second implementation of SSC's outcome
//! tables. They include partitions, encryption, logical block protection, WORM cartridges and append-only mode.

use super::tests::*;
use super::*;
use crate::block_protection::ProtectionMethod;
use tape_store::cartridge::CartridgeKind;
use tape_store::media::LTO_8;

/// SplitMix64; the seed determines the session.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most as u64).unwrap()
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn block(&mut self, len: usize) -> Vec<u8> {
        let seed = self.below(251);
        (0..len).map(|at| u8::try_from((at * 7 + seed) % 251).unwrap()).collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Object {
    Block { data: Vec<u8>, key: Option<u8> },
    Filemark,
}

/// Outcome of a command.
#[derive(Debug, PartialEq)]
struct Outcome {
    key: u8,
    asc: u16,
    /// FILEMARK, EOM, ILI.
    flags: u8,
    info: Option<i64>,
    data: Vec<u8>,
}

const FILEMARK: u8 = 0x80;
const EOM: u8 = 0x40;
const ILI: u8 = 0x20;

fn good_with(data: Vec<u8>) -> Outcome {
    Outcome { key: 0, asc: 0, flags: 0, info: None, data }
}

fn outcome_of(key: u8, asc: u16, flags: u8, info: Option<i64>) -> Outcome {
    Outcome { key, asc, flags, info, data: Vec::new() }
}

struct Model {
    parts: Vec<Vec<Object>>,
    part: usize,
    at: usize,
    block_length: usize,
    /// Method, on write, on read.
    protection: Option<(ProtectionMethod, bool, bool)>,
    /// Encryption key; and whether reads accept only encrypted blocks, both, or none, with the decryption key.
    writes: Option<u8>,
    reads: Option<(u8, bool)>,
    wrong_keys: u8,
    /// Key instances, and the last wrong one.
    instance: u32,
    last_wrong: u32,
    worm: bool,
    append_only: bool,
    allowed: Option<(usize, usize)>,
}

impl Model {
    fn objects_of_partition(&self) -> &[Object] {
        &self.parts[self.part]
    }

    fn filemarks_before(&self) -> usize {
        self.objects_of_partition()[..self.at].iter().filter(|object| **object == Object::Filemark).count()
    }

    fn only_filemarks_follow(&self) -> bool {
        self.objects_of_partition()[self.at..].iter().all(|object| *object == Object::Filemark)
    }

    fn after_filemark(&self) -> bool {
        self.at > 0 && self.objects_of_partition()[self.at - 1] == Object::Filemark
    }

    /// Additional sense code of a write that is not allowed at the position.
    fn write_rejection(&mut self, erases: bool) -> Option<u16> {
        let end = self.at == self.objects_of_partition().len();
        let blocks = self.objects_of_partition().iter().filter(|object| **object != Object::Filemark).count();
        let label =
            self.objects_of_partition().iter().take(blocks).all(|object| *object != Object::Filemark) && blocks <= 2;
        let label = self.at == 0 && (label || self.only_filemarks_follow());
        let trailing = self.after_filemark() && self.only_filemarks_follow();
        if self.worm && !(end || !erases && (label || trailing)) {
            return Some(0x300c);
        }
        let allowed = self.append_only && self.allowed.take() == Some((self.part, self.at));
        if self.append_only && !(end || allowed || !erases && trailing) {
            return Some(0x5a02);
        }
        None
    }

    fn append(&mut self, object: Object) {
        let at = self.at;
        self.parts[self.part].truncate(at);
        self.parts[self.part].push(object);
        self.at += 1;
    }

    /// The next block as returned to the host, or the outcome if there is none.
    fn next(&mut self, left: i64) -> Result<Vec<u8>, Outcome> {
        let Some(object) = self.objects_of_partition().get(self.at).cloned() else {
            return Err(outcome_of(8, 0x0005, 0, Some(left)));
        };
        let Object::Block { mut data, key } = object else {
            self.at += 1;
            return Err(outcome_of(0, 0x0001, FILEMARK, Some(left)));
        };
        match (key, self.reads) {
            (None, Some((_, true))) => return Err(outcome_of(7, 0x7402, 0, Some(left))),
            (Some(_), None) => return Err(outcome_of(7, 0x7401, 0, Some(left))),
            (Some(key), Some((other, _))) if key != other => {
                self.wrong_keys += u8::from(self.last_wrong != self.instance);
                self.last_wrong = self.instance;
                return Err(outcome_of(7, 0x7403, 0, Some(left)));
            }
            _ => {}
        }
        self.at += 1;
        if let Some((method, _, true)) = self.protection {
            let information = method.compute(&[data.as_slice()]);
            data.extend_from_slice(&information);
        }
        Ok(data)
    }

    /// Resets the count of wrong keys after an encrypted block was read.
    fn reset_wrong_keys(&mut self, encrypted: bool) {
        if encrypted {
            (self.wrong_keys, self.last_wrong) = (0, 0);
        }
    }

    fn read(&mut self, fixed: bool, sili: bool, length: usize) -> Outcome {
        if length == 0 {
            return good_with(Vec::new());
        }
        let left = i64::try_from(length).unwrap();
        if fixed && (sili || self.block_length == 0) {
            return outcome_of(5, 0x2400, 0, Some(left));
        }
        self.allowed = None;
        let encrypted = matches!(self.objects_of_partition().get(self.at), Some(Object::Block { key: Some(_), .. }));
        if !fixed {
            let mut data = match self.next(left) {
                Ok(data) => data,
                Err(outcome) => return outcome,
            };
            let residue = left - i64::try_from(data.len()).unwrap();
            data.truncate(length);
            let silent = residue == 0 || sili && (residue > 0 || self.block_length == 0);
            if silent {
                self.reset_wrong_keys(encrypted);
                return good_with(data);
            }
            return Outcome { key: 0, asc: 0, flags: ILI, info: Some(residue), data };
        }
        let mut sent = Vec::new();
        for done in 0..length {
            let left = i64::try_from(length - done).unwrap();
            match self.next(left) {
                Ok(data) if data.len() == self.block_length => sent.extend_from_slice(&data),
                Ok(_) => return Outcome { key: 0, asc: 0, flags: ILI, info: Some(left), data: sent },
                Err(outcome) => return Outcome { data: sent, ..outcome },
            }
        }
        self.reset_wrong_keys(encrypted);
        good_with(sent)
    }

    /// Writes blocks with protection information, one of which may be wrong.
    fn write(&mut self, blocks: &[Vec<u8>], fixed: bool, wrong: Option<usize>) -> Outcome {
        let total = if fixed { blocks.len() } else { blocks[0].len() };
        let info = |done: usize| Some(i64::try_from(if fixed { blocks.len() - done } else { total }).unwrap());
        if let Some(asc) = self.write_rejection(false) {
            return outcome_of(7, asc, 0, info(0));
        }
        for (number, block) in blocks.iter().enumerate() {
            let data = match self.protection {
                Some((_, true, _)) if wrong == Some(number) || block.len() < 5 => {
                    return outcome_of(4, 0x1001, 0, info(number));
                }
                Some((_, true, _)) => block[..block.len() - 4].to_vec(),
                _ => block.clone(),
            };
            let key = self.writes;
            self.append(Object::Block { data, key });
        }
        good_with(Vec::new())
    }

    fn filemarks(&mut self, count: usize) -> Outcome {
        if count > 0 {
            if let Some(asc) = self.write_rejection(false) {
                return outcome_of(7, asc, 0, None);
            }
            (0..count).for_each(|_| self.append(Object::Filemark));
        }
        good_with(Vec::new())
    }

    fn erase(&mut self) -> Outcome {
        if let Some(asc) = self.write_rejection(true) {
            return outcome_of(7, asc, 0, None);
        }
        let at = self.at;
        self.parts[self.part].truncate(at);
        good_with(Vec::new())
    }

    fn space(&mut self, filemarks: bool, count: i64) -> Outcome {
        if count != 0 {
            self.allowed = None;
        }
        let mut left = count.abs();
        while left > 0 {
            let crossed = if count > 0 { Some(self.at) } else { self.at.checked_sub(1) };
            let Some(object) = crossed.and_then(|at| self.objects_of_partition().get(at)) else {
                return if count > 0 {
                    outcome_of(8, 0x0005, 0, Some(left))
                } else {
                    outcome_of(0, 0x0004, EOM, Some(left))
                };
            };
            let is_mark = *object == Object::Filemark;
            self.at = if count > 0 { self.at + 1 } else { self.at - 1 };
            if is_mark && !filemarks {
                return outcome_of(0, 0x0001, FILEMARK, Some(left));
            }
            left -= i64::from(is_mark == filemarks);
        }
        good_with(Vec::new())
    }

    fn locate(&mut self, part: usize, target: Target) -> Outcome {
        if part >= self.parts.len() {
            return outcome_of(5, 0x2400, 0, None);
        }
        self.allowed = None;
        self.part = part;
        let len = self.objects_of_partition().len();
        let filemarks = |objects: &[Object]| {
            objects
                .iter()
                .enumerate()
                .filter(|(_, o)| **o == Object::Filemark)
                .map(|(at, _)| at + 1)
                .collect::<Vec<_>>()
        };
        let found = match target {
            Target::Object(object) => Some(object).filter(|object| *object <= len),
            Target::File(0) => Some(0),
            Target::File(file) => filemarks(self.objects_of_partition()).get(file - 1).copied(),
            Target::End => Some(len),
        };
        self.at = found.unwrap_or(len);
        if found.is_some() { good_with(Vec::new()) } else { outcome_of(8, 0x0005, 0, None) }
    }

    /// Reads one block before the position.
    fn reverse(&mut self, length: usize) -> Outcome {
        let left = i64::try_from(length).unwrap();
        self.allowed = None;
        let Some(before) = self.at.checked_sub(1) else { return outcome_of(0, 0x0004, EOM, Some(left)) };
        self.at = before;
        if self.objects_of_partition()[before] == Object::Filemark {
            return outcome_of(0, 0x0001, FILEMARK, Some(left));
        }
        let mut data = match self.next(left) {
            Ok(data) => data,
            Err(outcome) => return outcome,
        };
        self.at = before;
        let residue = left - i64::try_from(data.len()).unwrap();
        data.truncate(length);
        if residue == 0 {
            return good_with(data);
        }
        Outcome { key: 0, asc: 0, flags: ILI, info: Some(residue), data }
    }

    fn format(&mut self, parts: usize) -> Outcome {
        if (self.part, self.at) != (0, 0) {
            return outcome_of(5, 0x3b0c, 0, None);
        }
        let blank = self.parts.iter().all(Vec::is_empty);
        if self.worm && !blank {
            return outcome_of(7, 0x300c, 0, None);
        }
        if self.append_only {
            self.allowed = None;
            if !blank {
                return outcome_of(7, 0x5a02, 0, None);
            }
        }
        self.parts = vec![Vec::new(); parts];
        good_with(Vec::new())
    }
}

#[derive(Clone, Copy, Debug)]
enum Target {
    Object(usize),
    File(usize),
    End,
}

struct Session {
    drive: Drive,
    model: Model,
    random: Random,
}

impl Session {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let (worm, append_only) = (random.one_in(4), random.one_in(4));
        let mut drive = empty("ULT3580-TD8");
        if append_only {
            let mut list = bytes("00 00 10 00 50 01 00 1c 00 12");
            list.resize(36, 0);
            good(&mut drive, "15 10 00 00 24 00", &list);
        }
        let kind = if worm { CartridgeKind::Worm } else { CartridgeKind::Data };
        drive.insert(cartridge(&LTO_8, kind, 1 << 30)).unwrap();
        clear_attentions(&mut drive);
        let model = Model {
            parts: vec![Vec::new()],
            part: 0,
            at: 0,
            block_length: 0,
            protection: None,
            writes: None,
            reads: None,
            wrong_keys: 0,
            instance: 1,
            last_wrong: 0,
            worm,
            append_only,
            allowed: None,
        };
        Self { drive, model, random }
    }

    /// Runs a command, and returns its outcome.
    fn run(&mut self, cdb: &[u8], out: &[u8], data_in_len: usize) -> Outcome {
        let hex: Vec<String> = cdb.iter().map(|byte| format!("{byte:02x}")).collect();
        let (status, sense, data) = run(&mut self.drive, &hex.join(" "), out, data_in_len);
        if status == 0 {
            return good_with(data);
        }
        assert_eq!(status, 2, "{hex:?}");
        let info = (sense[0] & 0x80 != 0).then(|| i32::from_be_bytes(sense[3..7].try_into().unwrap()).into());
        let asc = u16::from_be_bytes([sense[12], sense[13]]);
        Outcome { key: sense[2] & 0x0f, asc, flags: sense[2] & 0xe0, info, data }
    }

    fn six(&self, opcode: u8, flags: u8, length: usize) -> [u8; 6] {
        let [_, a, b, c] = u32::try_from(length).unwrap().to_be_bytes();
        [opcode, flags, a, b, c, 0]
    }

    /// A transfer in its 6-byte form, or in the 16-byte one at the position.
    fn transfer(&mut self, short: u8, long: u8, flags: u8, length: usize) -> Vec<u8> {
        if self.random.one_in(2) {
            return self.six(short, flags, length).to_vec();
        }
        let [_, a, b, c] = u32::try_from(length).unwrap().to_be_bytes();
        let mut cdb = vec![long, flags, 0, u8::try_from(self.model.part).unwrap()];
        cdb.extend_from_slice(&(self.model.at as u64).to_be_bytes());
        cdb.extend_from_slice(&[a, b, c, 0]);
        cdb
    }

    fn step(&mut self) -> (String, Outcome, Outcome) {
        match self.random.below(20) {
            0..=4 => self.write(),
            5 | 6 => {
                let count = self.random.below(3);
                let cdb = self.transfer(0x10, 0x80, 0, count);
                (format!("filemarks {count}"), self.run(&cdb, &[], 0), self.model.filemarks(count))
            }
            7..=10 => self.read(),
            11 | 12 => {
                let (filemarks, count) = (self.random.one_in(2), i64::try_from(self.random.below(9)).unwrap() - 4);
                let [.., a, b, c] = count.to_be_bytes();
                let cdb = [0x11, u8::from(filemarks), a, b, c, 0];
                (format!("space {filemarks} {count}"), self.run(&cdb, &[], 0), self.model.space(filemarks, count))
            }
            13 | 14 => self.locate(),
            15 => {
                let length = self.random.below(40) + 1;
                let cdb = self.six(0x0f, 0x04, length);
                (format!("reverse {length}"), self.run(&cdb, &[], length), self.model.reverse(length))
            }
            16 => self.settings(),
            17 => self.encryption(),
            18 if self.random.one_in(3) => {
                let cdb = if self.random.one_in(2) { [0x19, 1, 0, 0, 0, 0] } else { [0x19, 0, 0, 0, 0, 0] };
                ("erase".into(), self.run(&cdb, &[], 0), self.model.erase())
            }
            18 if self.random.one_in(2) => {
                let mut cdb = [0; 16];
                (cdb[0], cdb[2], cdb[3]) = (0x82, 1, u8::try_from(self.model.part).unwrap());
                cdb[4..12].copy_from_slice(&(self.model.at as u64).to_be_bytes());
                let ran = self.run(&cdb, &[], 0);
                let (part, at) = (self.model.part, self.model.at);
                self.model.allowed = self.model.append_only.then_some((part, at));
                let expected =
                    if self.model.append_only { good_with(Vec::new()) } else { outcome_of(5, 0x200c, 0, None) };
                ("allow overwrite".into(), ran, expected)
            }
            18 => {
                assert_eq!(self.run(&[0x1b, 0, 0, 0, 0, 0], &[], 0), good_with(Vec::new()));
                let ran = self.run(&[0x1b, 0, 0, 0, 1, 0], &[], 0);
                (self.model.part, self.model.at, self.model.allowed) = (0, 0, None);
                (self.model.wrong_keys, self.model.last_wrong) = (0, 0);
                ("reload".into(), ran, good_with(Vec::new()))
            }
            _ => self.format(),
        }
    }

    fn write(&mut self) -> (String, Outcome, Outcome) {
        let fixed = self.model.block_length > 0 && self.random.one_in(2);
        let count = if fixed { self.random.below(3) + 1 } else { 1 };
        let wrong = self.random.one_in(6).then(|| self.random.below(count));
        let protected = self.model.protection.filter(|(_, write, _)| *write).map(|(method, ..)| method);
        let blocks: Vec<Vec<u8>> = (0..count)
            .map(|number| {
                let len = if fixed { self.model.block_length } else { self.random.below(60) + 1 };
                let mut block = self.random.block(len);
                if let Some((method, content)) = protected.zip(len.checked_sub(4)) {
                    let information = method.compute(&[&block[..content]]);
                    block[content..].copy_from_slice(&information);
                    block[len - 1] ^= u8::from(wrong == Some(number));
                }
                block
            })
            .collect();
        let length = if fixed { count } else { blocks[0].len() };
        let cdb = self.transfer(0x0a, 0x8a, u8::from(fixed), length);
        let ran = self.run(&cdb, &blocks.concat(), 0);
        (format!("write {fixed} {length} {wrong:?}"), ran, self.model.write(&blocks, fixed, wrong))
    }

    fn read(&mut self) -> (String, Outcome, Outcome) {
        let (fixed, sili) = (self.random.one_in(3), self.random.one_in(3));
        let length = if fixed { self.random.below(4) } else { self.random.below(70) };
        let cdb = self.transfer(0x08, 0x88, u8::from(fixed) | u8::from(sili) << 1, length);
        let data_in_len = if fixed { length * self.model.block_length.max(1) } else { length };
        (
            format!("read {fixed} {sili} {length}"),
            self.run(&cdb, &[], data_in_len),
            self.model.read(fixed, sili, length),
        )
    }

    fn locate(&mut self) -> (String, Outcome, Outcome) {
        let beyond = usize::from(self.random.one_in(8));
        let part = self.random.below(self.model.parts.len() + beyond);
        let (kind, target) = match self.random.below(4) {
            0 | 1 => (0, Target::Object(self.random.below(30))),
            2 => (1, Target::File(self.random.below(8))),
            _ => (3, Target::End),
        };
        let identifier = match target {
            Target::Object(number) | Target::File(number) => number as u64,
            Target::End => 0,
        };
        let mut cdb = [0; 16];
        (cdb[0], cdb[1], cdb[3]) = (0x92, kind << 3 | 0x02, u8::try_from(part).unwrap());
        cdb[4..12].copy_from_slice(&identifier.to_be_bytes());
        (format!("locate {part} {target:?}"), self.run(&cdb, &[], 0), self.model.locate(part, target))
    }

    /// Changes the block length or the logical block protection.
    fn settings(&mut self) -> (String, Outcome, Outcome) {
        if self.random.one_in(2) {
            let len = [0, 1, 7, 20, 33][self.random.below(5)];
            self.model.block_length = len;
            let list = [0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 0, u8::try_from(len).unwrap()];
            return (
                format!("block length {len}"),
                self.run(&[0x15, 0x10, 0, 0, 12, 0], &list, 0),
                good_with(Vec::new()),
            );
        }
        let method = [None, Some(ProtectionMethod::ReedSolomon), Some(ProtectionMethod::Crc32c)][self.random.below(3)];
        let (write, read) = [(true, false), (false, true), (true, true)][self.random.below(3)];
        self.model.protection = method.map(|method| (method, write, read));
        let mut list = bytes("00 00 10 00 4a f0 00 1c 00 04 00");
        list.resize(36, 0);
        if let Some(method) = method {
            (list[8], list[10]) = (method.code(), u8::from(write) << 7 | u8::from(read) << 6);
        }
        let ran = self.run(&[0x15, 0x10, 0, 0, 36, 0], &list, 0);
        (format!("protection {:?}", self.model.protection), ran, good_with(Vec::new()))
    }

    fn encryption(&mut self) -> (String, Outcome, Outcome) {
        let key = u8::try_from(self.random.below(3)).unwrap() + 1;
        let (encrypt, decrypt) = [(0, 0), (2, 0), (0, 2), (0, 3), (2, 3), (2, 2)][self.random.below(6)];
        let needs = encrypt == 2 || decrypt != 0;
        let mut list = vec![0, 0x10, 0, 0, 0x40, 0, encrypt, decrypt, 1, 0, 0];
        list.resize(18, 0);
        list.extend_from_slice(&(if needs { 32_u16 } else { 0 }).to_be_bytes());
        list.extend(std::iter::repeat_n(key, if needs { 32 } else { 0 }));
        let len = u16::try_from(list.len() - 4).unwrap().to_be_bytes();
        list[2..4].copy_from_slice(&len);
        let ran = self.run(&[0xb5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, u8::try_from(list.len()).unwrap(), 0, 0], &list, 0);
        let expected = if self.model.wrong_keys >= 10 {
            outcome_of(7, 0x2610, 0, None)
        } else {
            self.model.instance += 1;
            self.model.writes = (encrypt == 2).then_some(key);
            self.model.reads = (decrypt != 0).then_some((key, decrypt == 2));
            good_with(Vec::new())
        };
        (format!("encryption {encrypt} {decrypt} key {key}"), ran, expected)
    }

    fn format(&mut self) -> (String, Outcome, Outcome) {
        let parts = self.random.below(4) + 1;
        let mut list = bytes("00 00 10 00 11 0e 03 00 5c 03 09 00");
        list.resize(20, 0);
        list[7] = u8::try_from(parts - 1).unwrap();
        assert_eq!(self.run(&[0x15, 0x10, 0, 0, 20, 0], &list, 0), good_with(Vec::new()));
        (format!("format {parts}"), self.run(&[0x04, 0, 2, 0, 0, 0], &[], 0), self.model.format(parts))
    }
}

/// Runs `count` sessions of `operations` operations each, with seeds from `first` on.
fn sessions(first: u64, count: u64, operations: usize) {
    for seed in first..first + count {
        let mut session = Session::new(seed);
        let mut history = Vec::new();
        for _ in 0..operations {
            let (what, ran, expected) = session.step();
            history.push(what);
            assert_eq!(ran, expected, "seed {seed}: {:?}", &history[history.len().saturating_sub(12)..]);
            let at = run(&mut session.drive, "34 06 00 00 00 00 00 00 00 00", &[], 32).2;
            let field = |at: &[u8]| usize::try_from(u64::from_be_bytes(at.try_into().unwrap())).unwrap();
            let model = &session.model;
            assert_eq!(
                (usize::from(at[7]), field(&at[8..16]), field(&at[16..24])),
                (model.part, model.at, model.filemarks_before()),
                "seed {seed}: {:?}",
                &history[history.len().saturating_sub(12)..]
            );
        }
    }
}

#[test]
fn random_sessions_match_the_model() {
    sessions(0, 60, 250);
}

/// A million operations; more with `FERRIC_MODEL_SESSIONS`.
#[test]
#[ignore = "takes minutes unoptimised; `cargo xtask test` runs it optimised"]
fn one_million_operations_match_the_model() {
    let sessions_wanted = option_env!("FERRIC_MODEL_SESSIONS").and_then(|count| count.parse().ok()).unwrap_or(4_000);
    sessions(1_000_000, sessions_wanted, 250);
}
