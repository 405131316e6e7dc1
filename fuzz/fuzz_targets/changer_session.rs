#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut changer = smc::testing::changer();
    ssc::testing::session(&mut changer, data);
    smc::testing::check_cartridges(&changer);
});
