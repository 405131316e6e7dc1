//! Runs cases with system calls as [`System`], each call in a way that a seed chooses: in this thread or another, on a
//! duplicate of the descriptor, in a child of `fork`, or in a program that gets the descriptor by `exec`. The results do
//! not depend on the way.

use crate::sys;
use crate::system::{System, errno};
use linux_scsi::Errno;
use linux_scsi::argument::Argument;
use linux_scsi::sg::ioctl::Address;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use tape_script::memory::Memory;
use tape_script::random::Random;
use tape_script::run::Calls;
use tape_script::script::Opening;

/// Word of the command line for the program that runs one call on its standard input.
pub(crate) const CALL: &str = "call";

/// The nodes of one unit.
pub(crate) struct Varied {
    system: System,
    random: Random,
}

/// A call on an open file. All but `Write` fill memory, which the result has.
#[derive(Clone, Copy)]
enum Call<'a> {
    Read(usize),
    Write(&'a [u8]),
    Ioctl(u32, &'a [u8]),
}

/// The result of a system call, and the memory that it has filled.
type Done = (Result<usize, Errno>, Vec<u8>);

impl Call<'_> {
    fn run(self, mut file: &File) -> Done {
        let failed = |error| errno(&error);
        match self {
            Self::Read(len) => {
                let mut buffer = vec![0; len];
                let read = std::io::Read::read(&mut file, &mut buffer).map_err(failed);
                buffer.truncate(read.unwrap_or(0));
                (read, buffer)
            }
            Self::Write(data) => (file.write(data).map_err(failed), Vec::new()),
            Self::Ioctl(request, argument) => {
                let mut memory = Memory::new(argument.len());
                memory.store(0, argument);
                let address = memory.address(0);
                let called = sys::ioctl(file, request, &mut memory, address).map_err(failed);
                let called = called.and_then(|value| usize::try_from(value).map_err(|_| Errno::EIO));
                (called, memory.bytes(0, argument.len()).to_vec())
            }
        }
    }

    /// The words of the command line of a program that runs the call. Data to write is not passed.
    fn words(self) -> Option<Vec<String>> {
        match self {
            Self::Read(len) => Some(vec!["read".into(), len.to_string()]),
            Self::Write(_) => None,
            Self::Ioctl(request, argument) => {
                let bytes: Vec<String> = argument.iter().map(|byte| format!("{byte:02x}")).collect();
                Some(vec!["ioctl".into(), request.to_string(), bytes.concat()])
            }
        }
    }
}

fn encode((result, memory): &Done) -> Vec<u8> {
    let number = match result {
        Ok(number) => i64::try_from(*number).unwrap_or(i64::MAX),
        Err(Errno(number)) => -i64::from(*number),
    };
    [&number.to_le_bytes(), memory.as_slice()].concat()
}

/// Decodes what another process has sent. Without a result, the process has failed.
fn decode(bytes: &[u8]) -> Done {
    let Some((number, memory)) = bytes.split_first_chunk() else { return (Err(Errno(u16::MAX)), Vec::new()) };
    let number = i64::from_le_bytes(*number);
    let failed = |_| Errno(u16::try_from(number.unsigned_abs()).unwrap_or(u16::MAX));
    (usize::try_from(number).map_err(failed), memory.to_vec())
}

/// Runs the call of a command line on standard input, and prints its result. An error is a message.
pub(crate) fn call(words: &[&str]) -> Result<(), String> {
    let number = |word: &str| word.parse().map_err(|_| format!("{word:?} is not a number"));
    let file = sys::standard_input().map_err(|error| error.to_string())?;
    let done = match words {
        ["read", len] => Call::Read(len.parse().map_err(|_| "the length is not a number")?).run(&file),
        ["ioctl", request, argument] => {
            let byte = |at: usize| argument.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
            let argument: Option<Vec<u8>> = (0..argument.len()).step_by(2).map(byte).collect();
            Call::Ioctl(number(request)?, &argument.ok_or("the argument is not hexadecimal")?).run(&file)
        }
        _ => return Err("expected read LENGTH or ioctl REQUEST ARGUMENT".into()),
    };
    std::io::stdout().write_all(&encode(&done)).map_err(|error| error.to_string())
}

impl Varied {
    /// The unit that has a directory in sysfs.
    ///
    /// # Errors
    /// As [`System::new`].
    pub(crate) fn new(device: &Path, seed: u64) -> Result<Self, String> {
        Ok(Self { system: System::new(device)?, random: Random::new(seed) })
    }

    fn run(&mut self, file: char, call: Call<'_>) -> Result<Done, Errno> {
        let way = self.random.below(16);
        let file = self.system.file(file)?;
        let failed = |error: std::io::Error| errno(&error);
        Ok(match (way, call.words()) {
            (0..3, _) => std::thread::scope(|scope| {
                scope.spawn(|| call.run(file)).join().unwrap_or((Err(Errno(u16::MAX)), Vec::new()))
            }),
            (3..6, _) => call.run(&file.try_clone().map_err(failed)?),
            (6..9, _) => decode(&sys::in_child(|| encode(&call.run(file))).map_err(failed)?),
            (9, Some(words)) => {
                let program = std::env::current_exe().map_err(failed)?;
                let tape = Stdio::from(file.try_clone().map_err(failed)?);
                let output = Command::new(program).arg(CALL).args(words).stdin(tape).stderr(Stdio::inherit()).output();
                decode(&output.map_err(failed)?.stdout)
            }
            _ => call.run(file),
        })
    }
}

impl Calls for Varied {
    fn address(&self) -> Address {
        self.system.address()
    }

    fn open(&mut self, file: char, opening: Opening) -> Result<(), Errno> {
        self.system.open(file, opening)
    }

    fn close(&mut self, file: char) -> Result<(), Errno> {
        self.system.close(file)
    }

    fn duplicate(&mut self, file: char, duplicate: char) -> Result<(), Errno> {
        self.system.duplicate(file, duplicate)
    }

    fn read(&mut self, file: char, buffer: &mut [u8]) -> Result<usize, Errno> {
        let (result, memory) = self.run(file, Call::Read(buffer.len()))?;
        buffer.iter_mut().zip(memory).for_each(|(target, byte)| *target = byte);
        result
    }

    fn write(&mut self, file: char, data: &[u8]) -> Result<usize, Errno> {
        self.run(file, Call::Write(data))?.0
    }

    /// An argument with pointers stays in this process.
    fn ioctl(&mut self, file: char, request: u32, memory: &mut Memory, argument: u64) -> Result<u32, Errno> {
        let Argument::Memory { read, written } = Argument::of(request) else {
            return self.system.ioctl(file, request, memory, argument);
        };
        let len = usize::from(read.max(written));
        let Ok(given) = memory.at_address(argument, len).map(|bytes| bytes.to_vec()) else {
            return self.system.ioctl(file, request, memory, argument);
        };
        let (result, filled) = self.run(file, Call::Ioctl(request, &given))?;
        memory.at_address(argument, len)?.iter_mut().zip(filled).for_each(|(target, byte)| *target = byte);
        result.and_then(|value| u32::try_from(value).map_err(|_| Errno::EIO))
    }
}
