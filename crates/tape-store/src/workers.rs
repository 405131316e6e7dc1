//! Compression in parallel to the tape. A medium passes owned blocks to [`Workers`] and takes them back in order. The
//! provider of the workers decides on which threads they run.

use crate::compress::CodecContexts;
use crate::error::Damage;
use crate::integrity::crc32c;
use crate::medium::{Codec, CodecId};
use std::io::IoSlice;

/// Runs compression and decompression jobs on other threads, for all drives of a program.
pub trait Workers: Send + Sync {
    /// Number of jobs that run at once; 0 if the medium should do the work itself.
    fn parallel_jobs(&self) -> usize;
    /// A slot for one job at a time. A medium keeps its slots while it is mounted.
    fn slot(&self) -> Box<dyn WorkerSlot>;
}

/// A slot for one job at a time.
pub trait WorkerSlot: Send {
    /// A job for a block of at most `len` bytes, with buffers for `copied` bytes of the block before and after the codec;
    /// `None` if the memory limit of the workers is reached. The memory counts as used until [`Self::release`].
    fn acquire(&mut self, copied: usize, len: usize) -> Option<Box<CodecJob>>;
    /// Returns a job from [`Self::acquire`], and its memory, to the workers.
    fn release(&mut self, job: Box<CodecJob>);
    /// Starts a job. The previous job must have been taken back with [`Self::finish`].
    fn start(&mut self, job: Box<CodecJob>);
    /// Whether [`Self::finish`] returns without waiting.
    fn is_done(&self) -> bool;
    /// Takes back the finished job; waits for it if necessary.
    fn finish(&mut self) -> Box<CodecJob>;
}

/// A block to be compressed or decompressed, with its buffers and codec contexts.
#[derive(Default)]
pub struct CodecJob {
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) task: CodecTask,
    pub(crate) codecs: CodecContexts,
    /// Memory in bytes that the provider of the workers charged for the job.
    pub charged: usize,
}

/// Approximate size in bytes of the contexts of a codec.
const CONTEXTS: usize = 1 << 20;

/// The work to be done, or its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CodecTask {
    #[default]
    Nothing,
    Compress(Codec),
    /// Checksum of the block, and the codec of `output`; [`CodecId::NONE`] if the block is to be stored uncompressed.
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
    /// Memory in bytes that the job needs for a block as in [`WorkerSlot::acquire`]; with 0 and 0, the memory that it holds.
    #[must_use]
    pub fn memory(&self, copied: usize, len: usize) -> usize {
        self.input.capacity().max(copied) + self.output.capacity().max(copied) + self.codecs.memory(len) + CONTEXTS
    }

    /// Turns the job into one that failed, and frees its buffers.
    pub fn fail(&mut self) {
        *self = Self { charged: self.charged, ..Self::default() };
    }

    /// Runs the job on the calling thread.
    pub fn run(&mut self) {
        self.task = match self.task {
            CodecTask::Compress(codec) => {
                let compressed = self.codecs.compress(&[IoSlice::new(&self.input)], codec);
                let shrank = compressed.is_some();
                self.output.clear();
                self.output.reserve_exact(compressed.map_or(0, <[u8]>::len));
                self.output.extend_from_slice(compressed.unwrap_or_default());
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

    /// The bytes to be stored.
    pub(crate) fn compressed(&self) -> &[u8] {
        match self.task {
            CodecTask::Compressed { codec: CodecId::NONE, .. } => &self.input,
            _ => &self.output,
        }
    }
}

/// Workers for tests that run each job on the calling thread when it is started; the field is the number of parallel
/// jobs.
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
        // Not done until it is needed, so that the maximum number of jobs is in flight.
        false
    }

    fn finish(&mut self) -> Box<CodecJob> {
        self.0.take().unwrap_or_default()
    }
}
