#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| ssc::testing::drive_session(data));
