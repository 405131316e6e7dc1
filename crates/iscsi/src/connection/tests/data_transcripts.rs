//! Data of commands, RFC 7143 §4.2.5 and §11.3 to §11.8, as transcripts ([`super::transcript`] has their format).

use super::transcript::{config, play_logged_in};

/// Bursts of 512 and 1024 bytes.
const BURSTS: &str = "MaxBurstLength=1024 FirstBurstLength=512";

fn play(keys: &str, transcript: &str) {
    play_logged_in(config(), &format!("{keys} {BURSTS}"), transcript);
}

/// All data is solicited by R2T, one burst at a time.
#[test]
fn solicited_data() {
    play(
        "InitialR2T=Yes ImmediateData=No",
        "
        > Command flags=a1 lun=0001000000000000 itt=10 expected=800 cmdsn=1 expstatsn=1 cdb=0a0000080000
        < R2T flags=80 lun=0001000000000000 itt=10 statsn=1 expcmdsn=2 maxcmdsn=4 desired=400
        > Data-Out flags=80 itt=10 data 01*1024
        < R2T flags=80 lun=0001000000000000 itt=10 ttt=1 statsn=1 expcmdsn=2 maxcmdsn=4 r2tsn=1 offset=400 desired=400
        > Data-Out itt=10 ttt=1 offset=400 data 02*512
        > Data-Out flags=80 itt=10 ttt=1 datasn=1 offset=600 data 03*512
        * command 10 lun=1000000000000 cdb=0a000008 in=0 out 01*1024 02*512 03*512
        = done 10 00
        < Response flags=80 itt=10 statsn=1 expcmdsn=2 maxcmdsn=5 expdatasn=2
        ",
    );
}

/// Immediate data, then R2T.
#[test]
fn immediate_data() {
    play(
        "InitialR2T=Yes ImmediateData=Yes",
        "
        > Command flags=a1 itt=10 expected=800 cmdsn=1 expstatsn=1 cdb=0a0000080000 data 01*512
        < R2T flags=80 itt=10 statsn=1 expcmdsn=2 maxcmdsn=4 offset=200 desired=400
        > Data-Out flags=80 itt=10 offset=200 data 02*1024
        < R2T flags=80 itt=10 ttt=1 statsn=1 expcmdsn=2 maxcmdsn=4 r2tsn=1 offset=600 desired=200
        > Data-Out flags=80 itt=10 ttt=1 offset=600 data 03*512
        * command 10 lun=0 cdb=0a000008 in=0 out 01*512 02*1024 03*512
        = done 10 00
        < Response flags=80 itt=10 statsn=1 expcmdsn=2 maxcmdsn=5 expdatasn=2
        # All data is immediate; an odd length is padded.
        > Command flags=a1 itt=11 expected=5 cmdsn=2 expstatsn=2 cdb=0a0000000500 data 'hello
        * command 11 lun=0 cdb=0a00000005 in=0 out 68 65 6c 6c 6f
        = done 11 00
        < Response flags=80 itt=11 statsn=2 expcmdsn=3 maxcmdsn=6
        ",
    );
}

/// Unsolicited Data-Out up to FirstBurstLength, then R2T.
#[test]
fn unsolicited_data() {
    play(
        "InitialR2T=No ImmediateData=No",
        "
        > Command flags=21 itt=10 expected=400 cmdsn=1 expstatsn=1 cdb=0a0000040000
        > Data-Out itt=10 ttt=ffffffff data 01*256
        > Data-Out flags=80 itt=10 ttt=ffffffff datasn=1 offset=100 data 02*256
        < R2T flags=80 itt=10 statsn=1 expcmdsn=2 maxcmdsn=4 offset=200 desired=200
        > Data-Out flags=80 itt=10 offset=200 data 03*512
        * command 10 lun=0 cdb=0a000004 in=0 out 01*256 02*256 03*512
        = done 10 00
        < Response flags=80 itt=10 statsn=1 expcmdsn=2 maxcmdsn=5 expdatasn=1
        # F=1 in the command: the initiator sends no unsolicited data although it may.
        > Command flags=a1 itt=11 expected=100 cmdsn=2 expstatsn=2 cdb=0a0000010000
        < R2T flags=80 itt=11 ttt=1 statsn=2 expcmdsn=3 maxcmdsn=5 desired=100
        > Data-Out flags=80 itt=11 ttt=1 data 04*256
        * command 11 lun=0 cdb=0a000001 in=0 out 04*256
        = done 11 00
        < Response flags=80 itt=11 statsn=2 expcmdsn=3 maxcmdsn=6 expdatasn=1
        ",
    );
}

#[test]
fn immediate_and_unsolicited_data() {
    play(
        "InitialR2T=No ImmediateData=Yes",
        "
        > Command flags=21 itt=10 expected=300 cmdsn=1 expstatsn=1 cdb=0a0000030000 data 01*128
        > Data-Out flags=80 itt=10 ttt=ffffffff offset=80 data 02*384
        < R2T flags=80 itt=10 statsn=1 expcmdsn=2 maxcmdsn=4 offset=200 desired=100
        > Data-Out flags=80 itt=10 offset=200 data 03*256
        * command 10 lun=0 cdb=0a000003 in=0 out 01*128 02*384 03*256
        = done 10 00
        < Response flags=80 itt=10 statsn=1 expcmdsn=2 maxcmdsn=5 expdatasn=1
        # The unsolicited data ends before FirstBurstLength.
        > Command flags=21 itt=11 expected=100 cmdsn=2 expstatsn=2 cdb=0a0000010000 data 01*16
        > Data-Out flags=80 itt=11 ttt=ffffffff offset=10 data 02*16
        < R2T flags=80 itt=11 ttt=1 statsn=2 expcmdsn=3 maxcmdsn=5 offset=20 desired=e0
        > Data-Out flags=80 itt=11 ttt=1 offset=20 data 03*224
        * command 11 lun=0 cdb=0a000001 in=0 out 01*16 02*16 03*224
        = done 11 00
        < Response flags=80 itt=11 statsn=2 expcmdsn=3 maxcmdsn=6 expdatasn=1
        ",
    );
}

/// MaxOutstandingR2T=2: two R2Ts at once, a third when the first is satisfied.
#[test]
fn outstanding_r2ts() {
    play(
        "InitialR2T=Yes ImmediateData=No MaxOutstandingR2T=2",
        "
        > Command flags=a1 itt=10 expected=a00 cmdsn=1 expstatsn=1 cdb=0a00000a0000
        < R2T flags=80 itt=10 statsn=1 expcmdsn=2 maxcmdsn=4 desired=400
        < R2T flags=80 itt=10 ttt=1 statsn=1 expcmdsn=2 maxcmdsn=4 r2tsn=1 offset=400 desired=400
        > Data-Out flags=80 itt=10 data 01*1024
        < R2T flags=80 itt=10 ttt=2 statsn=1 expcmdsn=2 maxcmdsn=4 r2tsn=2 offset=800 desired=200
        > Data-Out flags=80 itt=10 ttt=1 offset=400 data 02*1024
        > Data-Out flags=80 itt=10 ttt=2 offset=800 data 03*512
        * command 10 lun=0 cdb=0a00000a in=0 out 01*1024 02*1024 03*512
        = done 10 00
        < Response flags=80 itt=10 statsn=1 expcmdsn=2 maxcmdsn=5 expdatasn=3
        ",
    );
}

/// The response of a command whose data broke the rules: CHECK CONDITION with ABORTED COMMAND and 0Ch/0Ch (unexpected
/// unsolicited data) or 0Ch/0Dh (not enough unsolicited data, also for a wrong length or order), §11.4.7.2.
fn broken(keys: &str, expected: &str, pdus: &str, codes: &str, r2ts: u8) {
    play(
        keys,
        &format!(
            "
            {pdus}
            < Response flags=82 status=02 itt=10 statsn=1 expcmdsn=2 maxcmdsn=5 expdatasn={r2ts:x} residual={expected} data 00 12 70 00 0b 00*4 0a 00*4 {codes} 00*4
            > NOP-Out flags=80 itt=12 ttt=ffffffff cmdsn=2 expstatsn=2
            < NOP-In flags=80 itt=12 ttt=ffffffff statsn=2 expcmdsn=3 maxcmdsn=6
            "
        ),
    );
}

#[test]
fn data_that_was_not_negotiated_fails_the_command() {
    let command = |flags: &str, data: &str| {
        format!("> Command flags={flags} itt=10 expected=200 cmdsn=1 expstatsn=1 cdb=0a0000020000 {data}")
    };
    let last = "> Data-Out flags=80 itt=10 ttt=ffffffff data 01*512";
    // Immediate data with ImmediateData=No; unsolicited data with InitialR2T=Yes.
    broken("InitialR2T=Yes ImmediateData=No", "200", &command("a1", "data 01*16"), "0c 0c", 0);
    broken("InitialR2T=Yes ImmediateData=Yes", "200", &format!("{}\n{last}", command("21", "")), "0c 0c", 0);
    // More than FirstBurstLength, at once and in Data-Out; more than Expected Data Transfer Length.
    let longer = "> Command flags=a1 itt=10 expected=400 cmdsn=1 expstatsn=1 cdb=0a0000040000 data 01*516";
    broken("InitialR2T=No ImmediateData=Yes", "400", longer, "0c 0d", 0);
    let longer = "> Command flags=21 itt=10 expected=400 cmdsn=1 expstatsn=1 cdb=0a0000040000 data 01*4
        > Data-Out flags=80 itt=10 ttt=ffffffff offset=4 data 01*512";
    broken("InitialR2T=No ImmediateData=Yes", "400", longer, "0c 0d", 0);
    let longer = "> Command flags=a1 itt=10 expected=8 cmdsn=1 expstatsn=1 cdb=0a0000000800 data 01*12";
    broken("InitialR2T=No ImmediateData=Yes", "8", longer, "0c 0d", 0);
}

#[test]
fn data_out_of_order_fails_the_command() {
    let with = |data_out: &str| {
        format!(
            "> Command flags=a1 itt=10 expected=200 cmdsn=1 expstatsn=1 cdb=0a0000020000
            < R2T flags=80 itt=10 statsn=1 expcmdsn=2 maxcmdsn=4 desired=200
            {data_out}"
        )
    };
    let keys = "InitialR2T=Yes ImmediateData=No";
    // Buffer Offset; DataSN; F before the end of the R2T; more than the R2T requests; a PDU that is missing.
    for data_out in [
        "> Data-Out flags=80 itt=10 offset=4 data 01*508",
        "> Data-Out flags=80 itt=10 datasn=1 data 01*512",
        "> Data-Out flags=80 itt=10 data 01*508",
        "> Data-Out flags=80 itt=10 data 01*516",
        "> Data-Out itt=10 data 01*256\n> Data-Out flags=80 itt=10 datasn=2 offset=100 data 01*256",
        "> Data-Out itt=10 data 01*256\n> Data-Out flags=80 itt=10 datasn=1 offset=0 data 01*256",
        "> Data-Out flags=80 itt=10",
    ] {
        broken(keys, "200", &with(data_out), "0c 0d", 1);
    }
    // Data for another task, with another Target Transfer Tag, or without being solicited, is ignored.
    play(
        keys,
        &with(
            "> Data-Out flags=80 itt=11 data 01*512
            > Data-Out flags=80 itt=10 ttt=5 data 01*512
            > Data-Out flags=80 itt=10 ttt=ffffffff data 01*512
            > Data-Out flags=80 itt=10 data 02*512
            * command 10 lun=0 cdb=0a000002 in=0 out 02*512
            = done 10 00
            < Response flags=80 itt=10 statsn=1 expcmdsn=2 maxcmdsn=5 expdatasn=1",
        ),
    );
}

/// Data-In PDUs of at most MaxRecvDataSegmentLength, with F at the end of each MaxBurstLength. GOOD status is in the last
/// PDU (S bit).
#[test]
fn data_in() {
    play(
        "MaxRecvDataSegmentLength=512",
        "
        > Command flags=c1 lun=0002000000000000 itt=10 expected=514 cmdsn=1 expstatsn=1 cdb=080000051400
        * command 10 lun=2000000000000 cdb=0800000514 in=1300 out
        = done 10 00 in 01*512 02*512 03*276
        < Data-In itt=10 ttt=ffffffff expcmdsn=2 maxcmdsn=5 data 01*512
        < Data-In flags=80 itt=10 ttt=ffffffff expcmdsn=2 maxcmdsn=5 datasn=1 offset=200 data 02*512
        < Data-In flags=81 itt=10 ttt=ffffffff statsn=1 expcmdsn=2 maxcmdsn=5 datasn=2 offset=400 data 03*276
        # The initiator accepts longer segments from now on.
        > Text flags=80 itt=11 ttt=ffffffff cmdsn=2 expstatsn=2 text MaxRecvDataSegmentLength=1024
        < Text-Response flags=80 itt=11 ttt=ffffffff statsn=2 expcmdsn=3 maxcmdsn=6
        > Command flags=c1 itt=12 expected=400 cmdsn=3 expstatsn=3 cdb=080000040000
        * command 12 lun=0 cdb=08000004 in=1024 out
        = done 12 00 in 04*1024
        < Data-In flags=81 itt=12 ttt=ffffffff statsn=3 expcmdsn=4 maxcmdsn=7 data 04*1024
        ",
    );
}

/// Residual Count (§11.4.5): underflow (U, 02h) if less than expected is transferred, overflow (O, 04h) if the command
/// would transfer more.
#[test]
fn residual_counts() {
    play(
        "",
        "
        > Command flags=c1 itt=10 expected=10 cmdsn=1 expstatsn=1 cdb=120000001000
        * command 10 lun=0 cdb=120000001 in=16 out
        = done 10 00 in 01*4
        < Data-In flags=83 itt=10 ttt=ffffffff statsn=1 expcmdsn=2 maxcmdsn=5 residual=c data 01*4
        > Command flags=c1 itt=10 expected=4 cmdsn=2 expstatsn=2 cdb=120000001000
        * command 10 lun=0 cdb=120000001 in=4 out
        = done 10 00 wanted=16 in 01*4
        < Data-In flags=85 itt=10 ttt=ffffffff statsn=2 expcmdsn=3 maxcmdsn=6 residual=c data 01*4
        # Nothing was read: the status is in a SCSI Response.
        > Command flags=c1 itt=10 expected=4 cmdsn=3 expstatsn=3 cdb=120000001000
        * command 10 lun=0 cdb=120000001 in=4 out
        = done 10 00
        < Response flags=82 itt=10 statsn=3 expcmdsn=4 maxcmdsn=7 residual=4
        # The command returns data, and the initiator expects none.
        > Command flags=81 itt=10 cmdsn=4 expstatsn=4 cdb=120000001000
        * command 10 lun=0 cdb=120000001 in=0 out
        = done 10 00 wanted=16
        < Response flags=84 itt=10 statsn=4 expcmdsn=5 maxcmdsn=8 residual=10
        # Writes: the device takes less than was sent, or needs more.
        > Command flags=a1 itt=10 expected=8 cmdsn=5 expstatsn=5 cdb=0a0000000400 data 01*8
        * command 10 lun=0 cdb=0a00000004 in=0 out 01*8
        = done 10 00 consumed=4
        < Response flags=82 itt=10 statsn=5 expcmdsn=6 maxcmdsn=9 residual=4
        > Command flags=a1 itt=10 expected=8 cmdsn=6 expstatsn=6 cdb=0a0000001000 data 01*8
        * command 10 lun=0 cdb=0a0000001 in=0 out 01*8
        = done 10 00 missing=8
        < Response flags=84 itt=10 statsn=6 expcmdsn=7 maxcmdsn=a residual=8
        ",
    );
}

/// A CHECK CONDITION after data: the Data-In has no status; the SCSI Response has the sense after its length, and counts
/// the Data-In PDUs in ExpDataSN. Other statuses have no sense.
#[test]
fn sense_and_other_statuses() {
    play(
        "",
        "
        > Command flags=c1 itt=10 expected=8 cmdsn=1 expstatsn=1 cdb=080000000800
        * command 10 lun=0 cdb=0800000008 in=8 out
        = done 10 02 sense 70 00 20 in 01*4
        < Data-In flags=80 itt=10 ttt=ffffffff expcmdsn=2 maxcmdsn=5 data 01*4
        < Response flags=82 status=02 itt=10 statsn=1 expcmdsn=2 maxcmdsn=5 expdatasn=1 residual=4 data 00 03 70 00 20
        > Command flags=81 itt=10 cmdsn=2 expstatsn=2
        * command 10 lun=0 cdb= in=0 out
        = done 10 18
        < Response flags=80 status=18 itt=10 statsn=2 expcmdsn=3 maxcmdsn=6
        > Command flags=81 itt=10 cmdsn=3 expstatsn=3
        * command 10 lun=0 cdb= in=0 out
        = done 10 08
        < Response flags=80 status=08 itt=10 statsn=3 expcmdsn=4 maxcmdsn=7
        ",
    );
}

/// Transfers that exceed the limit of the target: ILLEGAL REQUEST 24h/00h.
#[test]
fn unsupported_transfers_fail_the_command() {
    for (flags, expected) in [("c1", "10001"), ("a1", "10001"), ("c1", "ffffffff")] {
        play(
            "InitialR2T=Yes ImmediateData=No",
            &format!(
                "
                > Command flags={flags} itt=10 expected={expected} cmdsn=1 expstatsn=1 cdb=080000000800
                < Response flags=82 status=02 itt=10 statsn=1 expcmdsn=2 maxcmdsn=5 residual={expected} data 00 12 70 00 05 00*4 0a 00*4 24 00*5
                "
            ),
        );
    }
}

/// CRC32C digests of headers and data (§13.1). A wrong data digest is Reject (02h) and fails the command with 47h/05h
/// (§7.8); a wrong header digest closes the connection.
#[test]
fn digests() {
    for keys in [
        "HeaderDigest=CRC32C DataDigest=None",
        "HeaderDigest=None DataDigest=CRC32C",
        "HeaderDigest=CRC32C DataDigest=CRC32C",
    ] {
        play(
            keys,
            "
            > Command flags=a1 itt=10 expected=205 cmdsn=1 expstatsn=1 cdb=0a0000020500 data 01*512
            < R2T flags=80 itt=10 statsn=1 expcmdsn=2 maxcmdsn=4 offset=200 desired=5
            > Data-Out flags=80 itt=10 offset=200 data 02*5
            * command 10 lun=0 cdb=0a00000205 in=0 out 01*512 02*5
            = done 10 00
            < Response flags=80 itt=10 statsn=1 expcmdsn=2 maxcmdsn=5 expdatasn=1
            > Command flags=c1 itt=11 expected=7 cmdsn=2 expstatsn=2 cdb=080000000700
            * command 11 lun=0 cdb=0800000007 in=7 out
            = done 11 00 in 03*7
            < Data-In flags=81 itt=11 ttt=ffffffff statsn=2 expcmdsn=3 maxcmdsn=6 data 03*7
            > NOP-Out flags=80 itt=12 ttt=ffffffff cmdsn=3 expstatsn=3 data 'ping
            < NOP-In flags=80 itt=12 ttt=ffffffff statsn=3 expcmdsn=4 maxcmdsn=7 data 'ping
            ",
        );
    }
    play(
        "HeaderDigest=CRC32C",
        "> NOP-Out flags=80 itt=12 ttt=ffffffff cmdsn=1 expstatsn=1 bad-header-digest\n= closing",
    );
}

#[test]
fn wrong_data_digests() {
    let sense = "data 00 12 70 00 0b 00*4 0a 00*4 47 05 00*4";
    play(
        "DataDigest=CRC32C",
        &format!(
            "
            # Immediate data.
            > Command flags=a1 itt=10 expected=8 cmdsn=1 expstatsn=1 cdb=0a0000000800 data 01*8 bad-data-digest
            < Reject flags=80 reason=02 itt=ffffffff statsn=1 expcmdsn=2 maxcmdsn=5 data 01 a1 00*5 08 00*11 10 00*3 08 00*3 01 00*3 01 0a 00*3 08 00*11
            < Response flags=82 status=02 itt=10 statsn=2 expcmdsn=2 maxcmdsn=5 residual=8 {sense}
            # Data-Out; the rest of the burst is taken before the response.
            > Command flags=a1 itt=11 expected=8 cmdsn=2 expstatsn=3 cdb=0a0000000800
            < R2T flags=80 itt=11 statsn=3 expcmdsn=3 maxcmdsn=5 desired=8
            > Data-Out itt=11 data 01*4 bad-data-digest
            < Reject flags=80 reason=02 itt=ffffffff statsn=3 expcmdsn=3 maxcmdsn=5 data 05 00*6 04 00*11 11 00*28
            > Data-Out flags=80 itt=11 datasn=1 offset=4 data 01*4
            < Response flags=82 status=02 itt=11 statsn=4 expcmdsn=3 maxcmdsn=6 expdatasn=1 residual=8 {sense}
            # NOP-Out and text.
            > NOP-Out flags=80 itt=12 ttt=ffffffff cmdsn=3 expstatsn=5 data 'ping bad-data-digest
            < Reject flags=80 reason=02 itt=ffffffff statsn=5 expcmdsn=4 maxcmdsn=7 data 00 80 00*5 04 00*11 12 ff*4 00*3 03 00*3 05 00*16
            > Text flags=80 itt=13 ttt=ffffffff cmdsn=4 expstatsn=6 text A=1 bad-data-digest
            < Reject flags=80 reason=02 itt=ffffffff statsn=6 expcmdsn=5 maxcmdsn=8 data 04 80 00*5 04 00*11 13 ff*4 00*3 04 00*3 06 00*16
            "
        ),
    );
}
