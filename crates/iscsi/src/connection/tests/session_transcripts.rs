//! The full feature phase without data of commands, RFC 7143 §4.2 and §11.5 to §11.19, as transcripts
//! ([`super::transcript`] has their format).

use super::transcript::{Player, config, play_logged_in};
use crate::config::TargetConfig;

fn play(transcript: &str) {
    play_logged_in(config(), "", transcript);
}

/// A discovery session with a target that has two names.
fn discover(transcript: &str) {
    let config = TargetConfig { names: vec!["iqn.t".into(), "iqn.u".into()], ..config() };
    play_logged_in(config, "InitiatorName=iqn.i SessionType=Discovery", transcript);
}

#[test]
fn nop_out_is_answered() {
    play(
        "
        > NOP-Out flags=80 itt=10 ttt=ffffffff cmdsn=1 expstatsn=1 data 'ping
        < NOP-In flags=80 itt=10 ttt=ffffffff statsn=1 expcmdsn=2 maxcmdsn=5 data 'ping
        # An immediate request does not use its CmdSN.
        >! NOP-Out flags=80 itt=11 ttt=ffffffff cmdsn=2 expstatsn=2
        < NOP-In flags=80 itt=11 ttt=ffffffff statsn=2 expcmdsn=2 maxcmdsn=5
        # Without Initiator Task Tag there is no response.
        >! NOP-Out flags=80 itt=ffffffff cmdsn=2 expstatsn=3
        ",
    );
    // No more data than the initiator accepts.
    play_logged_in(
        config(),
        "MaxRecvDataSegmentLength=512",
        "
        > NOP-Out flags=80 itt=10 ttt=ffffffff cmdsn=1 expstatsn=1 data 01*600
        < NOP-In flags=80 itt=10 ttt=ffffffff statsn=1 expcmdsn=2 maxcmdsn=5 data 01*512
        ",
    );
}

/// The target sends a NOP-In to an idle initiator, whose NOP-Out has its Target Transfer Tag.
#[test]
fn idle_initiator_gets_a_nop_in() {
    play(
        "
        = timeout 29
        = timeout 1
        < NOP-In flags=80 itt=ffffffff statsn=1 expcmdsn=1 maxcmdsn=4
        >! NOP-Out flags=80 itt=ffffffff cmdsn=1 expstatsn=1
        = timeout 29
        = timeout 1
        < NOP-In flags=80 itt=ffffffff statsn=1 expcmdsn=1 maxcmdsn=4
        = timeout 30
        = closing
        ",
    );
}

/// SendTargets: All in a discovery session; in a normal session only a name, or nothing for the own target (RFC 7143
/// appendix C).
#[test]
fn send_targets() {
    discover(
        "
        > Text flags=80 itt=10 ttt=ffffffff cmdsn=1 expstatsn=1 text SendTargets=All
        < Text-Response flags=80 itt=10 ttt=ffffffff statsn=1 expcmdsn=2 maxcmdsn=5 text TargetName=iqn.t TargetAddress=192.0.2.1:3260,1 TargetName=iqn.u TargetAddress=192.0.2.1:3260,1
        > Text flags=80 itt=11 ttt=ffffffff cmdsn=2 expstatsn=2 text SendTargets=iqn.u
        < Text-Response flags=80 itt=11 ttt=ffffffff statsn=2 expcmdsn=3 maxcmdsn=6 text TargetName=iqn.u TargetAddress=192.0.2.1:3260,1
        > Text flags=80 itt=12 ttt=ffffffff cmdsn=3 expstatsn=3 text SendTargets=iqn.x
        < Text-Response flags=80 itt=12 ttt=ffffffff statsn=3 expcmdsn=4 maxcmdsn=7
        > Text flags=80 itt=13 ttt=ffffffff cmdsn=4 expstatsn=4 text SendTargets=
        < Text-Response flags=80 itt=13 ttt=ffffffff statsn=4 expcmdsn=5 maxcmdsn=8
        ",
    );
    play(
        "
        > Text flags=80 itt=10 ttt=ffffffff cmdsn=1 expstatsn=1 text SendTargets=
        < Text-Response flags=80 itt=10 ttt=ffffffff statsn=1 expcmdsn=2 maxcmdsn=5 text TargetName=iqn.t TargetAddress=192.0.2.1:3260,1
        > Text flags=80 itt=11 ttt=ffffffff cmdsn=2 expstatsn=2 text SendTargets=All
        < Text-Response flags=80 itt=11 ttt=ffffffff statsn=2 expcmdsn=3 maxcmdsn=6 text SendTargets=Reject
        ",
    );
}

/// Keys in several requests (C bit, the Target Transfer Tag of the response), and a response in several segments.
#[test]
fn text_negotiations_continue() {
    play(
        "
        > Text flags=40 itt=10 ttt=ffffffff cmdsn=1 expstatsn=1 data 'X-a=1 00 'MaxRecvData
        < Text-Response itt=10 ttt=1 statsn=1 expcmdsn=2 maxcmdsn=5
        > Text flags=80 itt=10 ttt=1 cmdsn=2 expstatsn=2 data 'SegmentLength=4096 00
        < Text-Response flags=80 itt=10 ttt=ffffffff statsn=2 expcmdsn=3 maxcmdsn=6 text X-a=NotUnderstood
        # F=0: the initiator has more to negotiate.
        > Text itt=11 ttt=ffffffff cmdsn=3 expstatsn=3 text X-b=1
        < Text-Response itt=11 ttt=1 statsn=3 expcmdsn=4 maxcmdsn=7 text X-b=NotUnderstood
        > Text flags=80 itt=11 ttt=1 cmdsn=4 expstatsn=4
        < Text-Response flags=80 itt=11 ttt=ffffffff statsn=4 expcmdsn=5 maxcmdsn=8
        # A new negotiation drops the keys of an incomplete one.
        > Text flags=40 itt=12 ttt=ffffffff cmdsn=5 expstatsn=5 text X-c=1
        < Text-Response itt=12 ttt=1 statsn=5 expcmdsn=6 maxcmdsn=9
        > Text flags=80 itt=13 ttt=ffffffff cmdsn=6 expstatsn=6 text X-d=1
        < Text-Response flags=80 itt=13 ttt=ffffffff statsn=6 expcmdsn=7 maxcmdsn=a text X-d=NotUnderstood
        # A value out of range, and malformed keys (Reject 04h, protocol error).
        > Text flags=80 itt=14 ttt=ffffffff cmdsn=7 expstatsn=7 text MaxRecvDataSegmentLength=511
        < Text-Response flags=80 itt=14 ttt=ffffffff statsn=7 expcmdsn=8 maxcmdsn=b text MaxRecvDataSegmentLength=Reject
        > Text flags=80 itt=15 ttt=ffffffff cmdsn=8 expstatsn=8 data 'bad 00
        < Reject flags=80 reason=04 itt=ffffffff statsn=8 expcmdsn=9 maxcmdsn=c data 04 80 00*5 04 00*11 15 ff*4 00*3 08 00*3 08 00*16
        ",
    );
    play_logged_in(
        TargetConfig { names: (0..12).map(|number| format!("iqn.target-with-a-long-name-{number:02}")).collect(), ..config() },
        "InitiatorName=iqn.i SessionType=Discovery MaxRecvDataSegmentLength=512",
        "
        > Text flags=80 itt=10 ttt=ffffffff cmdsn=1 expstatsn=1 text SendTargets=All
        < Text-Response flags=40 itt=10 ttt=1 statsn=1 expcmdsn=2 maxcmdsn=5 text TargetName=iqn.target-with-a-long-name-00 TargetAddress=192.0.2.1:3260,1 TargetName=iqn.target-with-a-long-name-01 TargetAddress=192.0.2.1:3260,1 TargetName=iqn.target-with-a-long-name-02 TargetAddress=192.0.2.1:3260,1 TargetName=iqn.target-with-a-long-name-03 TargetAddress=192.0.2.1:3260,1 TargetName=iqn.target-with-a-long-name-04 TargetAddress=192.0.2.1:3260,1 TargetName=iqn.target-with-a-long-name-05 TargetAddress=192.0.2.1:3260,1 TargetName=iqn.target-with-a-long-name-06 TargetAddress=192.0.2.1:3260,1 data 'T
        > Text flags=80 itt=10 ttt=1 cmdsn=2 expstatsn=2
        < Text-Response flags=80 itt=10 ttt=ffffffff statsn=2 expcmdsn=3 maxcmdsn=6 data 'argetName=iqn.target-with-a-long-name-07 00 'TargetAddress=192.0.2.1:3260,1 00 'TargetName=iqn.target-with-a-long-name-08 00 'TargetAddress=192.0.2.1:3260,1 00 'TargetName=iqn.target-with-a-long-name-09 00 'TargetAddress=192.0.2.1:3260,1 00 'TargetName=iqn.target-with-a-long-name-10 00 'TargetAddress=192.0.2.1:3260,1 00 'TargetName=iqn.target-with-a-long-name-11 00 'TargetAddress=192.0.2.1:3260,1 00
        ",
    );
}

/// Task management functions (§11.5.1 and §11.6.1). The owner executes the functions that the target supports.
#[test]
fn task_management_functions() {
    for (code, function, aborted) in [
        ("82", "AbortTaskSet", "[10]"),
        ("84", "ClearTaskSet", "[10]"),
        ("85", "LunReset", "[10]"),
        ("86", "WarmReset", "[10]"),
        ("87", "ColdReset", "[10]"),
    ] {
        play(&format!(
            "
            > Command flags=81 lun=0001000000000000 itt=10 cmdsn=1 expstatsn=1
            * command 10 lun=1000000000000 cdb= in=0 out
            >! Task-Management flags={code} lun=0001000000000000 itt=11 cmdsn=2 expstatsn=1
            * management 11 {function} lun=1000000000000 tasks={aborted}
            = management 11 00
            < Task-Management-Response flags=80 itt=11 statsn=1 expcmdsn=2 maxcmdsn=4
            # The aborted command has no response.
            = done 10 00
            "
        ));
    }
    // The tags are in ascending order, regardless of the order of arrival.
    play(
        "
        > Command flags=81 itt=12 cmdsn=1 expstatsn=1
        * command 12 lun=0 cdb= in=0 out
        > Command flags=81 itt=10 cmdsn=2 expstatsn=1
        * command 10 lun=0 cdb= in=0 out
        > Command flags=81 itt=11 cmdsn=3 expstatsn=1
        * command 11 lun=0 cdb= in=0 out
        >! Task-Management flags=85 itt=13 cmdsn=4 expstatsn=1
        * management 13 LunReset lun=0 tasks=[10, 11, 12]
        = management 13 00
        < Task-Management-Response flags=80 itt=13 statsn=1 expcmdsn=4 maxcmdsn=4
        = done 10 00
        = done 11 00
        = done 12 00
        ",
    );
    for (code, response) in [("83", "05"), ("88", "04"), ("89", "05"), ("80", "05"), ("ff", "05")] {
        play(&format!(
            "
            >! Task-Management flags={code} itt=11 cmdsn=1 expstatsn=1
            < Task-Management-Response flags=80 response={response} itt=11 statsn=1 expcmdsn=1 maxcmdsn=4
            "
        ));
    }
    // Tasks of another LUN are not aborted by ABORT TASK SET.
    play(
        "
        > Command flags=81 lun=0002000000000000 itt=10 cmdsn=1 expstatsn=1
        * command 10 lun=2000000000000 cdb= in=0 out
        > Task-Management flags=82 lun=0001000000000000 itt=11 cmdsn=2 expstatsn=1
        * management 11 AbortTaskSet lun=1000000000000 tasks=[]
        = management 11 02
        < Task-Management-Response flags=80 response=02 itt=11 statsn=1 expcmdsn=3 maxcmdsn=5
        = done 10 00
        < Response flags=80 itt=10 statsn=2 expcmdsn=3 maxcmdsn=6
        ",
    );
}

/// ABORT TASK of a running task, of a task that waits for data, of one that was not received, and of an unknown one.
#[test]
fn abort_task() {
    play(
        "
        > Command flags=81 itt=10 cmdsn=1 expstatsn=1
        * command 10 lun=0 cdb= in=0 out
        >! Task-Management flags=81 itt=11 referenced=10 cmdsn=2 expstatsn=1 refcmdsn=1
        * management 11 AbortTask lun=0 tasks=[10]
        = done 10 00
        = management 11 00
        < Task-Management-Response flags=80 itt=11 statsn=1 expcmdsn=2 maxcmdsn=5
        >! Task-Management flags=81 itt=12 referenced=10 cmdsn=2 expstatsn=2 refcmdsn=1
        < Task-Management-Response flags=80 response=01 itt=12 statsn=2 expcmdsn=2 maxcmdsn=5
        ",
    );
    // With an outstanding R2T: the data that still arrives is dropped, and the tag can be used again.
    play(
        "
        > Command flags=a1 itt=10 expected=1000 cmdsn=1 expstatsn=1 cdb=0a0000100000
        < R2T flags=80 itt=10 statsn=1 expcmdsn=2 maxcmdsn=4 desired=1000
        > Data-Out itt=10 data 01*2048
        >! Task-Management flags=81 itt=11 referenced=10 cmdsn=2 expstatsn=1 refcmdsn=1
        * management 11 AbortTask lun=0 tasks=[]
        = management 11 00
        < Task-Management-Response flags=80 itt=11 statsn=1 expcmdsn=2 maxcmdsn=5
        > Data-Out flags=80 itt=10 datasn=1 offset=800 data 01*2048
        > Command flags=a1 itt=10 expected=4 cmdsn=2 expstatsn=2 cdb=0a0000000400 data 02*4
        * command 10 lun=0 cdb=0a00000004 in=0 out 02*4
        = done 10 00
        < Response flags=80 itt=10 statsn=2 expcmdsn=3 maxcmdsn=6
        ",
    );
    // A command whose CmdSN has not arrived: it is complete before it arrives, and is dropped when it does.
    play(
        "
        >! Task-Management flags=81 itt=11 referenced=10 cmdsn=2 expstatsn=1 refcmdsn=1
        < Task-Management-Response flags=80 itt=11 statsn=1 expcmdsn=2 maxcmdsn=5
        > Command flags=81 itt=10 cmdsn=1 expstatsn=1
        > NOP-Out flags=80 itt=12 ttt=ffffffff cmdsn=2 expstatsn=2
        < NOP-In flags=80 itt=12 ttt=ffffffff statsn=2 expcmdsn=3 maxcmdsn=6
        ",
    );
}

/// Another session resets the unit or clears the task set: commands end without a response.
#[test]
fn the_owner_ends_commands() {
    play(
        "
        > Command flags=81 lun=0001000000000000 itt=10 cmdsn=1 expstatsn=1
        > Command flags=a1 lun=0001000000000000 itt=11 expected=10 cmdsn=2 expstatsn=1
        * command 10 lun=1000000000000 cdb= in=0 out
        < R2T flags=80 lun=0001000000000000 itt=11 statsn=1 expcmdsn=3 maxcmdsn=4 desired=10
        = clear 1
        = discard 10
        > NOP-Out flags=80 itt=12 ttt=ffffffff cmdsn=3 expstatsn=1
        < NOP-In flags=80 itt=12 ttt=ffffffff statsn=1 expcmdsn=4 maxcmdsn=7
        ",
    );
}

/// Logout reasons (§11.14.1): 0 closes the session, 1 the connection with this CID, 2 is recovery (not supported).
#[test]
fn logout() {
    for (flags, cid) in [("80", "0"), ("80", "7"), ("81", "1")] {
        play(&format!(
            "
            >! Logout flags={flags} itt=10 cid={cid} cmdsn=1 expstatsn=1
            * logout
            = logout
            < Logout-Response flags=80 itt=10 statsn=1 expcmdsn=1 maxcmdsn=4 time2wait=2
            = closing
            "
        ));
    }
    for (flags, cid, response) in [("81", "2", "01"), ("82", "1", "02"), ("82", "2", "02"), ("83", "1", "02")] {
        play(&format!(
            "
            >! Logout flags={flags} itt=10 cid={cid} cmdsn=1 expstatsn=1
            < Logout-Response flags=80 response={response} itt=10 statsn=1 expcmdsn=1 maxcmdsn=4 time2wait=2
            "
        ));
    }
    // A PDU after the logout request closes the connection.
    play(
        "
        >! Logout flags=80 itt=10 cmdsn=1 expstatsn=1
        * logout
        >! NOP-Out flags=80 itt=11 ttt=ffffffff cmdsn=1 expstatsn=1
        = closing
        ",
    );
}

/// The owner requests a logout: AsyncEvent 1, Parameter3 is the time in seconds (§11.9).
#[test]
fn request_to_log_out() {
    play(
        "
        = log-out-request 3
        < Async flags=80 itt=ffffffff statsn=1 expcmdsn=1 maxcmdsn=4 async-event=1 parameter-3=3
        > NOP-Out flags=80 itt=10 ttt=ffffffff cmdsn=1 expstatsn=2
        < NOP-In flags=80 itt=10 ttt=ffffffff statsn=2 expcmdsn=2 maxcmdsn=5
        ",
    );
    let mut player = Player::new(config());
    player.run("= log-out-request 3");
    player.assert_finished();
}

/// Reject (§11.17.1) has the reason and the header of the rejected PDU.
#[test]
fn rejected_pdus_have_a_reason() {
    play(
        "
        # SNACK Reject; command not supported: a reserved and a vendor-specific opcode.
        > SNACK flags=80 itt=10 ttt=ffffffff expstatsn=1 runlength=1
        < Reject flags=80 reason=03 itt=ffffffff statsn=1 expcmdsn=1 maxcmdsn=4 data 10 80 00*17 10 ff*4 00*7 01 00*15 01
        > Reserved flags=80 itt=11 cmdsn=1 expstatsn=2
        < Reject flags=80 reason=05 itt=ffffffff statsn=2 expcmdsn=2 maxcmdsn=5 data 07 80 00*17 11 00*7 01 00*3 02 00*16
        > Unknown flags=80 itt=12 cmdsn=2 expstatsn=3
        < Reject flags=80 reason=05 itt=ffffffff statsn=3 expcmdsn=3 maxcmdsn=6 data 1c 80 00*17 12 00*7 02 00*3 03 00*16
        # Invalid PDU field: a reserved Initiator Task Tag, an additional header segment.
        > Command flags=81 itt=ffffffff cmdsn=3 expstatsn=4
        < Reject flags=80 reason=09 itt=ffffffff statsn=4 expcmdsn=4 maxcmdsn=7 data 01 81 00*14 ff*4 00*7 03 00*3 04 00*16
        # Task in progress; too many immediate commands.
        > Command flags=81 itt=10 cmdsn=4 expstatsn=5
        * command 10 lun=0 cdb= in=0 out
        > Command flags=81 itt=10 cmdsn=5 expstatsn=5
        < Reject flags=80 reason=07 itt=ffffffff statsn=5 expcmdsn=6 maxcmdsn=8 data 01 81 00*17 10 00*7 05 00*3 05 00*16
        >! Command flags=81 lun=0001000000000000 itt=11 cmdsn=6 expstatsn=6
        * command 11 lun=1000000000000 cdb= in=0 out
        >! Command flags=81 itt=12 cmdsn=6 expstatsn=6
        < Reject flags=80 reason=06 itt=ffffffff statsn=6 expcmdsn=6 maxcmdsn=8 data 41 81 00*17 12 00*7 06 00*3 06 00*16
        = done 10 00
        < Response flags=80 itt=10 statsn=7 expcmdsn=6 maxcmdsn=9
        = done 11 00
        < Response flags=80 itt=11 statsn=8 expcmdsn=6 maxcmdsn=9
        ",
    );
    // A discovery session has no commands and no task management: protocol error.
    for (pdu, header) in [
        ("Command flags=81 itt=10", "01 81 00*17 10 00*7 01 00*3 01 00*16"),
        ("Task-Management flags=85 itt=10", "02 85 00*17 10 00*7 01 00*3 01 00*16"),
    ] {
        discover(&format!(
            "
            > {pdu} cmdsn=1 expstatsn=1
            < Reject flags=80 reason=04 itt=ffffffff statsn=1 expcmdsn=2 maxcmdsn=5 data {header}
            "
        ));
    }
}

/// Errors after which the stream cannot be followed: Reject with protocol error, then the connection is closed.
#[test]
fn malformed_pdus_close_the_connection() {
    for (pdu, header) in [
        // A data segment longer than MaxRecvDataSegmentLength of the target; additional header segments of 24 bytes.
        (
            "NOP-Out flags=80 itt=10 ttt=ffffffff cmdsn=1 expstatsn=1 length=2001",
            "00 80 00*4 20 01 00*11 10 ff*4 00*3 01 00*3 01 00*16",
        ),
        (
            "NOP-Out flags=80 itt=10 ttt=ffffffff cmdsn=1 expstatsn=1 ahs=6",
            "00 80 00 00 06 00*14 10 ff*4 00*3 01 00*3 01 00*16",
        ),
    ] {
        play(&format!(
            "
            > {pdu}
            < Reject flags=80 reason=04 itt=ffffffff statsn=1 expcmdsn=1 maxcmdsn=4 data {header}
            = closing
            "
        ));
    }
    play(
        "
        >! Login flags=87 itt=10 cmdsn=1 expstatsn=1
        < Reject flags=80 reason=04 itt=ffffffff statsn=1 expcmdsn=1 maxcmdsn=4 data 43 87 00*17 10 00*7 01 00*3 01 00*16
        = closing
        ",
    );
}

/// Requests run in CmdSN order. Duplicates and requests outside the window are dropped (§4.2.2.1).
#[test]
fn command_numbers() {
    play(
        "
        > Command flags=81 lun=0003000000000000 itt=13 cmdsn=3 expstatsn=1
        > Command flags=81 lun=0002000000000000 itt=12 cmdsn=2 expstatsn=1
        > Command flags=81 lun=0009000000000000 itt=19 cmdsn=2 expstatsn=1
        > Command flags=81 itt=14 cmdsn=5 expstatsn=1
        > Command flags=81 itt=15 cmdsn=0 expstatsn=1
        > Command flags=81 lun=0001000000000000 itt=11 cmdsn=1 expstatsn=1
        * command 11 lun=1000000000000 cdb= in=0 out
        * command 12 lun=2000000000000 cdb= in=0 out
        * command 13 lun=3000000000000 cdb= in=0 out
        # MaxCmdSN: one of four commands is free, and it closes the window.
        > Command flags=81 lun=0004000000000000 itt=14 cmdsn=4 expstatsn=1
        * command 14 lun=4000000000000 cdb= in=0 out
        > NOP-Out flags=80 itt=16 ttt=ffffffff cmdsn=5 expstatsn=1
        >! NOP-Out flags=80 itt=16 ttt=ffffffff cmdsn=5 expstatsn=1
        < NOP-In flags=80 itt=16 ttt=ffffffff statsn=1 expcmdsn=5 maxcmdsn=4
        = done 12 00
        < Response flags=80 itt=12 statsn=2 expcmdsn=5 maxcmdsn=5
        = done 11 00
        < Response flags=80 itt=11 statsn=3 expcmdsn=5 maxcmdsn=6
        = done 13 00
        < Response flags=80 itt=13 statsn=4 expcmdsn=5 maxcmdsn=7
        = done 14 00
        < Response flags=80 itt=14 statsn=5 expcmdsn=5 maxcmdsn=8
        ",
    );
}

/// Commands of one LUN run in order even if the data of the first is not complete; other LUNs do not wait.
#[test]
fn commands_of_a_lun_keep_their_order() {
    play(
        "
        > Command flags=a1 lun=0001000000000000 itt=10 expected=4 cmdsn=1 expstatsn=1
        < R2T flags=80 lun=0001000000000000 itt=10 statsn=1 expcmdsn=2 maxcmdsn=4 desired=4
        > Command flags=81 lun=0001000000000000 itt=11 cmdsn=2 expstatsn=1
        > Command flags=81 lun=0002000000000000 itt=12 cmdsn=3 expstatsn=1
        * command 12 lun=2000000000000 cdb= in=0 out
        > Data-Out flags=80 itt=10 data 01*4
        * command 10 lun=1000000000000 cdb= in=0 out 01*4
        * command 11 lun=1000000000000 cdb= in=0 out
        = abort
        = closing
        ",
    );
}
