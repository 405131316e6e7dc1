//! Arbitrary bytes as the files of a cartridge.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tape_store::testing::store_open(data));
