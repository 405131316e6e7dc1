//! Arbitrary bytes as compressed blocks, cartridge memories and tape images.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tape_store::testing::store_codecs(data));
