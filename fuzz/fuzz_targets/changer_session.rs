//! Commands from arbitrary bytes to a changer; no cartridge may be lost or duplicated.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut changer = smc::testing::changer();
    ssc::testing::run_session(&mut changer, data);
    smc::testing::assert_no_cartridge_lost(&changer);
});
