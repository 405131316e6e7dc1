//! Operations from arbitrary bytes on a tape in files and on a tape in memory; the results must be equal.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tape_store::testing::store_ops(data));
