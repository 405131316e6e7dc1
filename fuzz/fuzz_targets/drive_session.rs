//! Commands from arbitrary bytes to a drive.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| ssc::testing::drive_session(data));
