//! Compression beside the tape. A medium hands owned blocks to [`Workers`] and takes them back in order; who runs them,
//! and on which thread, is the affair of whoever provides the workers.

use crate::compress::CodecContexts;
use crate::error::Damage;
use crate::integrity::crc32c;
use crate::medium::{Codec, CodecId};
use std::io::IoSlice;

/// What runs jobs.
pub trait Workers: Send + Sync {
    /// How many jobs run at once; 0 if it is not worth handing any over.
    fn parallel_jobs(&self) -> usize;
    /// A place for one job at a time. Media keep theirs as long as they are mounted.
    fn slot(&self) -> Box<dyn WorkerSlot>;
}

/// A place for one job.
pub trait WorkerSlot: Send {
    /// A job for a block of at most `len` bytes, with buffers for `copied` bytes of it before and after the codec; `None` if the
    /// workers have no memory left for it. Its memory is in use until [`Slot::release`].
    fn acquire(&mut self, copied: usize, len: usize) -> Option<Box<CodecJob>>;
    /// Gives a job back that [`Slot::acquire`] gave.
    fn release(&mut self, job: Box<CodecJob>);
    /// Hands a job over; the one before was taken back.
    fn start(&mut self, job: Box<CodecJob>);
    /// Whether it can be taken back without waiting.
    fn is_done(&self) -> bool;
    /// Takes the job back, run; waits if need be.
    fn finish(&mut self) -> Box<CodecJob>;
}

/// A block to be packed or unpacked, with all that it takes.
#[derive(Default)]
pub struct CodecJob {
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) task: CodecTask,
    pub(crate) codecs: CodecContexts,
    /// Bytes that whoever provides the workers counts for it.
    pub charged: usize,
}

/// Bytes of the contexts of a codec, about.
const CONTEXTS: usize = 1 << 20;

/// What is to be done, and then what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CodecTask {
    #[default]
    Nothing,
    Compress(Codec),
    /// Its checksum, and the codec of `output`, or none if it is to be stored as it is.
    Compressed {
        crc: u32,
        codec: CodecId,
    },
    Decompress {
        codec: CodecId,
        len: usize,
        crc: Option<u32>,
    },
    Decompressed(Result<(), Damage>),
}

impl CodecJob {
    /// Bytes of memory that the job takes with a block as in [`WorkerSlot::acquire`]; with 0 and 0, what it has.
    #[must_use]
    pub fn memory(&self, copied: usize, len: usize) -> usize {
        self.input.capacity().max(copied) + self.output.capacity().max(copied) + self.codecs.memory(len) + CONTEXTS
    }

    /// Makes it a job that failed, without buffers.
    pub fn fail(&mut self) {
        *self = Self { charged: self.charged, ..Self::default() };
    }

    /// Does it.
    pub fn run(&mut self) {
        self.task = match self.task {
            CodecTask::Compress(codec) => {
                let packed = self.codecs.compress(&[IoSlice::new(&self.input)], codec);
                let shrank = packed.is_some();
                self.output.clear();
                self.output.reserve_exact(packed.map_or(0, <[u8]>::len));
                self.output.extend_from_slice(packed.unwrap_or_default());
                CodecTask::Compressed { crc: crc32c(&self.input), codec: if shrank { codec.id } else { CodecId::NONE } }
            }
            CodecTask::Decompress { codec, len, crc } => {
                self.output.reserve_exact(len.saturating_sub(self.output.len()));
                self.output.resize(len, 0);
                let unpacked = self.codecs.decompress(&self.input, codec, &mut self.output);
                let whole = || crc.is_none_or(|crc| crc == crc32c(&self.output));
                CodecTask::Decompressed(unpacked.and_then(|()| if whole() { Ok(()) } else { Err(Damage::Checksum) }))
            }
            other => other,
        };
    }

    /// The bytes that are to be stored.
    pub(crate) fn packed(&self) -> &[u8] {
        match self.task {
            CodecTask::Compressed { codec: CodecId::NONE, .. } => &self.input,
            _ => &self.output,
        }
    }
}

/// Runs each job when it is started: no other thread, and still the way that jobs go. For tests.
#[derive(Clone, Copy, Debug)]
pub struct InlineWorkers(pub usize);

impl Workers for InlineWorkers {
    fn parallel_jobs(&self) -> usize {
        self.0
    }

    fn slot(&self) -> Box<dyn WorkerSlot> {
        Box::new(InlineSlot(None))
    }
}

struct InlineSlot(Option<Box<CodecJob>>);

impl WorkerSlot for InlineSlot {
    fn acquire(&mut self, _copied: usize, _len: usize) -> Option<Box<CodecJob>> {
        Some(Box::default())
    }

    fn release(&mut self, _job: Box<CodecJob>) {}

    fn start(&mut self, mut job: Box<CodecJob>) {
        job.run();
        self.0 = Some(job);
    }

    fn is_done(&self) -> bool {
        // Not before someone asks for it: as many jobs are under way as can be.
        false
    }

    fn finish(&mut self) -> Box<CodecJob> {
        self.0.take().unwrap_or_default()
    }
}
