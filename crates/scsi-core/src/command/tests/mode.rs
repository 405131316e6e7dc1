//! MODE SENSE and MODE SELECT, SPC-4 §6.11 to §6.14; mode parameters, §7.5.

use crate::test_unit::TestUnit;

/// Header and block descriptor, then the selected pages; DBD=1 omits the block descriptor.
#[test]
fn mode_sense_returns_header_block_descriptor_and_pages() {
    TestUnit::ready().play(
        "
        A > 1a 00 0a 00 ff 00
        < 00 in 17 88 10 08 5e 00*5 02 00 0a 0a 00 01 00*4 ff ff 00 00
        A > 1a 08 0a 00 ff 00
        < 00 in 0f 88 10 00 0a 0a 00 01 00*4 ff ff 00 00
        A > 5a 00 0a 00 00 00 00 00 ff 00
        < 00 in 00 1a 88 10 00 00 00 08 5e 00*5 02 00 0a 0a 00 01 00*4 ff ff 00 00
        A > 5a 08 0f 00 00 00 00 00 ff 00
        < 00 in 00 0a 88 10 00 00 00 00 0f 02 40 00
        # Page 00h: no page.
        A > 1a 00 00 00 ff 00
        < 00 in 0b 88 10 08 5e 00*5 02 00
        # All pages without their subpages; all pages and subpages; the subpages of one page. PS is one in a page that
        # can be saved.
        A > 1a 08 3f 00 ff 00
        < 00 in 13 88 10 00 0a 0a 00 01 00*4 ff ff 00 00 0f 02 40 00
        A > 1a 08 3f ff ff 00
        < 00 in 1b 88 10 00 0a 0a 00 01 00*4 ff ff 00 00 ca f0 00 04 12 00 34 00 0f 02 40 00
        A > 1a 08 0a ff ff 00
        < 00 in 17 88 10 00 0a 0a 00 01 00*4 ff ff 00 00 ca f0 00 04 12 00 34 00
        A > 1a 08 0a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 12 00 34 00
        ",
    );
}

/// ALLOCATION LENGTH truncates the data, not MODE DATA LENGTH (SPC-4 §4.2.5.6). A smaller buffer of the transport does
/// the same.
#[test]
fn mode_sense_is_truncated_without_an_error() {
    TestUnit::ready().play(
        "
        A > 1a 08 0a 00 04 00
        < 00 in 0f 88 10 00
        A > 1a 08 0a 00 00 00
        < 00
        A > 5a 08 0a 00 00 00 00 00 02 00
        < 00 in 00 12
        A > 1a 08 0a 00 ff 00 room 5
        < 00 in 0f 88 10 00 0a
        ",
    );
}

#[test]
fn mode_sense_rejects_unknown_pages_and_reserved_bits() {
    TestUnit::ready().play(
        "
        # No such page: PAGE CODE, bits 5 to 0 of byte 2. No such subpage: byte 3.
        A > 1a 08 05 00 ff 00
        < 02 05 24 00 cd 00 02
        A > 5a 08 3e 00 00 00 00 00 ff 00
        < 02 05 24 00 cd 00 02
        A > 1a 08 0a 01 ff 00
        < 02 05 24 00 c0 00 03
        A > 1a 08 3f 01 ff 00
        < 02 05 24 00 c0 00 03
        # Bit 4 of byte 1: reserved in MODE SENSE(6), LLBAA in MODE SENSE(10).
        A > 1a 18 0a 00 ff 00
        < 02 05 24 00 cc 00 01
        A > 5a 18 0a 00 00 00 00 00 ff 00
        < 02 05 24 00 cc 00 01
        # NACA of the CONTROL byte.
        A > 1a 08 0a 00 ff 04
        < 02 05 24 00 ca 00 05
        ",
    );
}

/// PC: 01b is the mask of the changeable bits, 10b the default values, 11b the saved values.
#[test]
fn page_control_selects_the_values() {
    TestUnit::ready().play(
        "
        A > 1a 08 4a 00 ff 00
        < 00 in 0f 88 10 00 0a 0a 04 00*9
        A > 1a 08 4a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 ff 00 0f 01
        A > 15 10 00 00 0c 00 out 00*4 4a f0 00 04 55 00 34 00
        < 00
        A > 1a 08 0a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 55 00 34 00
        A > 1a 08 8a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 12 00 34 00
        A > 1a 08 ca f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 12 00 34 00
        A > 15 11 00 00 0c 00 out 00*4 4a f0 00 04 56 00 34 00
        < 00
        A > 1a 08 ca f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 56 00 34 00
        ",
    );
}

/// A unit that saves no page has no saved values: SAVING PARAMETERS NOT SUPPORTED (SPC-4 §6.13.5).
#[test]
fn saved_values_are_rejected_if_no_page_can_be_saved() {
    TestUnit::without_saved_pages().play(
        "
        A > 1a 08 ca 00 ff 00
        < 02 05 39 00
        A > 5a 08 ff 00 00 00 00 00 ff 00
        < 02 05 39 00
        A > 15 11 00 00 04 00 out 00*4
        < 02 05 24 00 c8 00 01
        ",
    );
}

/// A change raises UNIT ATTENTION 2Ah/01h for all other nexuses, and D_SENSE selects descriptor format.
#[test]
fn mode_select_raises_attention_for_other_nexuses() {
    TestUnit::ready().play(
        "
        A > 15 10 00 00 10 00 out 00 00 10 00 0a 0a 04 01 00*4 ff ff 00 00
        < 00
        A > 00*6
        < 00
        B > 00*6
        < 02 sense 72 06 2a 01 00*4
        B > 00*6
        < 00
        C > 15 10 00 00 03 00 out 00*3
        < 02 sense 72 06 2a 01 00*4
        C > 15 10 00 00 03 00 out 00*3
        < 02 sense 72 05 1a 00 00*4
        # The 10-byte command, with the PS bit, which is reserved in MODE SELECT, and MODE DATA LENGTH.
        B > 55 10 00 00 00 00 00 00 14 00 out 00 12 00*6 8a 0a 00 01 00*4 ff ff 00 00
        < 00
        A > 00*6
        < 02 06 2a 01
        # The same values again: nothing changed.
        B > 55 10 00 00 00 00 00 00 14 00 out 00*8 0a 0a 00 01 00*4 ff ff 00 00
        < 00
        A > 00*6
        < 00
        # The block descriptor is a mode parameter too.
        A > 15 10 00 00 0c 00 out 00*3 08 00*5 00 04 00
        < 00
        B > 00*6
        < 02 06 2a 01
        A > 1a 00 00 00 ff 00
        < 00 in 0b 88 10 08 5e 00*5 04 00
        # PARAMETER LIST LENGTH 0 transfers and changes nothing.
        A > 15 10 00 00 00 00
        < 00
        ",
    );
}

/// A list that truncates a header, block descriptor or page is PARAMETER LIST LENGTH ERROR (SPC-4 §6.11).
#[test]
fn truncated_mode_parameter_lists_are_rejected() {
    TestUnit::ready().play(
        "
        A > 15 10 00 00 03 00 out 00*3
        < 02 05 1a 00
        A > 55 10 00 00 00 00 00 00 07 00 out 00*7
        < 02 05 1a 00
        A > 15 10 00 00 0b 00 out 00*3 08 00*7
        < 02 05 1a 00
        A > 15 10 00 00 0f 00 out 00*4 0a 0a 04 01 00*4 ff ff 00
        < 02 05 1a 00
        A > 15 10 00 00 05 00 out 00*4 0a
        < 02 05 1a 00
        A > 15 10 00 00 07 00 out 00*4 4a f0 00
        < 02 05 1a 00
        # The initiator sends less than PARAMETER LIST LENGTH.
        A > 15 10 00 00 10 00 out 00*4 0a 0a 04 01
        < 02 05 1a 00
        A > 1a 08 0a 00 ff 00
        < 00 in 0f 88 10 00 0a 0a 00 01 00*4 ff ff 00 00
        ",
    );
}

/// INVALID FIELD IN PARAMETER LIST with a pointer to the field: to its first byte if it has several (SPC-4 §4.5.2.4.2).
#[test]
fn invalid_fields_of_mode_parameter_lists_are_named() {
    TestUnit::ready().play(
        "
        # BLOCK DESCRIPTOR LENGTH is neither 0 nor 8.
        A > 15 10 00 00 08 00 out 00*3 04 00*4
        < 02 05 26 00 80 00 03
        A > 55 10 00 00 00 00 00 00 0c 00 out 00*7 04 00*4
        < 02 05 26 00 80 00 06
        # LONGLBA, bit 0 of byte 4, and a reserved byte of the block descriptor.
        A > 55 10 00 00 00 00 00 00 08 00 out 00*4 01 00*3
        < 02 05 26 00 88 00 04
        A > 15 10 00 00 0c 00 out 00*3 08 00*4 80 00 02 00
        < 02 05 26 00 8f 00 08
        # The device rejects DEVICE-SPECIFIC PARAMETER 80h and an odd block length.
        A > 15 10 00 00 04 00 out 00 00 80 00
        < 02 05 26 00 8f 00 02
        A > 55 10 00 00 00 00 00 00 08 00 out 00 00 00 80 00*4
        < 02 05 26 00 8f 00 03
        A > 15 10 00 00 0c 00 out 00*3 08 00*5 00 02 01
        < 02 05 26 00 80 00 09
        A > 55 10 00 00 00 00 00 00 10 00 out 00*7 08 00*5 00 02 01
        < 02 05 26 00 80 00 0d
        # No such page; PAGE LENGTH of both page formats.
        A > 15 10 00 00 06 00 out 00*4 05 00
        < 02 05 26 00 8d 00 04
        A > 15 10 00 00 11 00 out 00*4 0a 0b 04 01 00*4 ff ff 00*3
        < 02 05 26 00 80 00 05
        A > 15 10 00 00 0d 00 out 00*4 4a f0 00 05 12 00 34 00 00
        < 02 05 26 00 80 00 06
        A > 15 10 00 00 0b 00 out 00*4 4a f0 00 03 12 00 34
        < 02 05 26 00 80 00 06
        # A bit that cannot be changed (bit 0 of byte 3), a reserved bit (bit 7 of byte 2), a value that the device
        # rejects, and a field of a second page.
        A > 15 10 00 00 10 00 out 00*4 0a 0a 00 00 00*4 ff ff 00 00
        < 02 05 26 00 88 00 07
        A > 15 10 00 00 10 00 out 00*4 0a 0a 80 01 00*4 ff ff 00 00
        < 02 05 26 00 8f 00 06
        A > 15 10 00 00 0c 00 out 00*4 4a f0 00 04 80 00 34 00
        < 02 05 26 00 80 00 08
        A > 15 10 00 00 18 00 out 00*4 0a 0a 04 01 00*4 ff ff 00 00 4a f0 00 04 80 00 34 00
        < 02 05 26 00 80 00 14
        # The first page of the last list was valid, and did not take effect either.
        A > 1a 08 0a 00 ff 00
        < 00 in 0f 88 10 00 0a 0a 00 01 00*4 ff ff 00 00
        B > 00*6
        < 00
        ",
    );
}

#[test]
fn mode_select_checks_pf_sp_and_rtd() {
    TestUnit::ready().play(
        "
        # PF=0 with a page; PF=0 without pages is accepted.
        A > 15 00 00 00 10 00 out 00*4 0a 0a 04 01 00*4 ff ff 00 00
        < 02 05 24 00 cc 00 01
        A > 15 00 00 00 04 00 out 00*4
        < 00
        # SP=1 with a page that cannot be saved, and RTD (SPC-5 adds it; a device may reject it).
        A > 15 11 00 00 10 00 out 00*4 0a 0a 04 01 00*4 ff ff 00 00
        < 02 05 24 00 c8 00 01
        A > 15 12 00 00 04 00 out 00*4
        < 02 05 24 00 c9 00 01
        ",
    );
}

/// Saved values survive power loss and are restored by a reset; others are lost.
#[test]
fn saved_values_survive_power_loss_and_reset() {
    TestUnit::ready().play(
        "
        A > 15 11 00 00 0c 00 out 00*4 4a f0 00 04 21 00 34 00
        < 00
        A > 15 10 00 00 0c 00 out 00*4 4a f0 00 04 22 00 34 00
        < 00
        A > 1a 08 0a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 22 00 34 00
        ! reset
        A > 1a 08 0a f0 ff 00
        < 02 06 29 03
        A > 1a 08 0a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 21 00 34 00
        ! power-cycle
        A > 1a 08 0a f0 ff 00
        < 02 06 29 00
        A > 1a 08 0a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 21 00 34 00
        ",
    );
}

/// The device rounds a value: the list takes effect, and the command ends with ROUNDED PARAMETER (SPC-4 §6.11).
#[test]
fn rounded_parameters_take_effect() {
    TestUnit::ready().play(
        "
        A > 15 10 00 00 0c 00 out 00*4 4a f0 00 04 21 00 34 01
        < 02 01 37 00
        A > 1a 08 0a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 21 00 34 01
        B > 00*6
        < 02 06 2a 01
        ",
    );
}

/// A page with the policy per I_T nexus (VPD page 87h): values of one nexus do not affect another.
#[test]
fn values_per_nexus_are_separate() {
    TestUnit::ready().play(
        "
        A > 15 10 00 00 08 00 out 00*4 0f 02 41 00
        < 00
        B > 1a 08 0f 00 ff 00
        < 00 in 07 88 10 00 0f 02 40 00
        A > 1a 08 0f 00 ff 00
        < 00 in 07 88 10 00 0f 02 41 00
        ! logout A
        ! login A
        A > 00*6
        < 02 06 29 07
        A > 1a 08 0f 00 ff 00
        < 00 in 07 88 10 00 0f 02 40 00
        ",
    );
}
