//! Arbitrary bytes as the input of an iSCSI connection.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| iscsi::testing::run_stream(data));
