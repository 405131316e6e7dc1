//! The login phase, RFC 7143 §6 and §11.12 to §11.13, as transcripts ([`super::transcript`] has their format).

use super::transcript::{config, play, with_chap};
use crate::config::TargetConfig;

/// From the operational stage (CSG 1) to the full feature phase (NSG 3) in one request. The target responds to each key, and
/// declares MaxRecvDataSegmentLength, TargetAlias and TargetPortalGroupTag.
#[test]
fn login_in_one_request() {
    play(
        config(),
        "
        >! Login flags=87 isid=00023d000001 itt=7 cid=1 cmdsn=5 expstatsn=9 text InitiatorName=iqn.i InitiatorAlias=host SessionType=Normal TargetName=iqn.t HeaderDigest=None,CRC32C DataDigest=None InitialR2T=No ImmediateData=Yes MaxBurstLength=262144 FirstBurstLength=65536 MaxRecvDataSegmentLength=4096 MaxOutstandingR2T=4 MaxConnections=8 DefaultTime2Wait=0 DefaultTime2Retain=20 DataPDUInOrder=Yes DataSequenceInOrder=No ErrorRecoveryLevel=2 IFMarker=Yes OFMarkInt=2048 TaskReporting=FastAbort,RFC3720 iSCSIProtocolLevel=2 X-com.example.key=1
        * login iqn.i target=iqn.t isid=00023d000001 tsih=0 cid=1 discovery=false
        = accept 1234
        < Login-Response flags=87 isid=00023d000001 tsih=1234 itt=7 statsn=9 expcmdsn=5 maxcmdsn=8 text TargetAlias=alias TargetPortalGroupTag=1 HeaderDigest=None DataDigest=None InitialR2T=No ImmediateData=Yes MaxBurstLength=8192 MaxOutstandingR2T=4 MaxConnections=1 DefaultTime2Wait=2 DefaultTime2Retain=0 DataPDUInOrder=Yes DataSequenceInOrder=Yes ErrorRecoveryLevel=0 IFMarker=No OFMarkInt=Reject TaskReporting=RFC3720 iSCSIProtocolLevel=1 X-com.example.key=NotUnderstood FirstBurstLength=4096 MaxRecvDataSegmentLength=8192
        # Full feature phase: a NOP-Out with a response.
        > NOP-Out flags=80 itt=8 ttt=ffffffff cmdsn=5 expstatsn=a
        < NOP-In flags=80 itt=8 ttt=ffffffff statsn=a expcmdsn=6 maxcmdsn=9
        ",
    );
}

/// Security stage without authentication, then the operational stage, in any number of requests.
#[test]
fn login_through_all_stages() {
    play(
        config(),
        "
        >! Login isid=800000000001 itt=1 cmdsn=1 text InitiatorName=iqn.i TargetName=iqn.t AuthMethod=CHAP,None
        < Login-Response isid=800000000001 itt=1 expcmdsn=1 maxcmdsn=1 text TargetAlias=alias TargetPortalGroupTag=1 AuthMethod=None
        >! Login flags=81 isid=800000000001 itt=1 cmdsn=1 expstatsn=1
        < Login-Response flags=81 isid=800000000001 itt=1 statsn=1 expcmdsn=1 maxcmdsn=1
        # CSG 1 without T: the target stays in the stage.
        >! Login flags=04 isid=800000000001 itt=1 cmdsn=1 expstatsn=2 text ErrorRecoveryLevel=0
        < Login-Response flags=04 isid=800000000001 itt=1 statsn=2 expcmdsn=1 maxcmdsn=1 text ErrorRecoveryLevel=0 MaxRecvDataSegmentLength=8192
        >! Login flags=87 isid=800000000001 itt=1 cmdsn=1 expstatsn=3
        * login iqn.i target=iqn.t isid=800000000001 tsih=0 cid=0 discovery=false
        = accept 1
        < Login-Response flags=87 isid=800000000001 tsih=1 itt=1 statsn=3 expcmdsn=1 maxcmdsn=4
        ",
    );
    // From the security stage to the full feature phase.
    play(
        config(),
        "
        >! Login flags=83 isid=800000000001 itt=1 cmdsn=1 text InitiatorName=iqn.i TargetName=iqn.t AuthMethod=None
        * login iqn.i target=iqn.t isid=800000000001 tsih=0 cid=0 discovery=false
        = accept 1
        < Login-Response flags=83 isid=800000000001 tsih=1 itt=1 expcmdsn=1 maxcmdsn=4 text TargetAlias=alias TargetPortalGroupTag=1 AuthMethod=None MaxRecvDataSegmentLength=8192
        ",
    );
}

/// The C bit: keys continue in the next request, in the middle of a key too; the target sends an empty response.
#[test]
fn keys_in_more_than_one_request() {
    play(
        config(),
        "
        >! Login flags=44 isid=800000000001 itt=1 cmdsn=1 data 'InitiatorName=iqn.i 00 'TargetNa
        < Login-Response flags=04 isid=800000000001 itt=1 expcmdsn=1 maxcmdsn=1
        >! Login flags=87 isid=800000000001 itt=1 cmdsn=1 expstatsn=1 data 'me=iqn.t 00
        * login iqn.i target=iqn.t isid=800000000001 tsih=0 cid=0 discovery=false
        = accept 1
        < Login-Response flags=87 isid=800000000001 tsih=1 itt=1 statsn=1 expcmdsn=1 maxcmdsn=4 text TargetAlias=alias TargetPortalGroupTag=1 MaxRecvDataSegmentLength=8192
        ",
    );
}

/// The owner decides about the session: rejoining one (TSIH) or too many connections.
#[test]
fn the_owner_rejects_a_session() {
    play(
        config(),
        "
        >! Login flags=87 isid=800000000001 tsih=9 itt=1 cid=2 cmdsn=1 text InitiatorName=iqn.i TargetName=iqn.t
        * login iqn.i target=iqn.t isid=800000000001 tsih=9 cid=2 discovery=false
        = reject 020a
        < Login-Response isid=800000000001 itt=1 expcmdsn=1 maxcmdsn=1 login-status=020a
        * rejected 020a \"iqn.i\"
        = closing
        ",
    );
}

/// CHAP with one algorithm: `response` is the hash of identifier 03h, `secret-of-user` and 31 bytes of 03h.
fn chap(offer: &str, chosen: &str, response: &str, last: &str) {
    let challenge = "03".repeat(31);
    play(
        with_chap(true),
        &format!(
            "
            >! Login isid=800000000001 itt=1 cmdsn=1 text InitiatorName=iqn.i TargetName=iqn.t AuthMethod=CHAP
            < Login-Response isid=800000000001 itt=1 expcmdsn=1 maxcmdsn=1 text TargetAlias=alias TargetPortalGroupTag=1 AuthMethod=CHAP
            >! Login isid=800000000001 itt=1 cmdsn=1 expstatsn=1 text CHAP_A={offer}
            < Login-Response isid=800000000001 itt=1 statsn=1 expcmdsn=1 maxcmdsn=1 text CHAP_A={chosen} CHAP_I=3 CHAP_C=0x{challenge}
            >! Login flags=81 isid=800000000001 itt=1 cmdsn=1 expstatsn=2 text CHAP_N=user CHAP_R={response}{last}
            "
        ),
    );
}

const MD5: &str = "0x3a930df4ef38cbf974a0a93a93620a19";
const SHA1: &str = "0x30699ada22996fdb0c28b3dec04fb2dc2929ec3d";
const SHA256: &str = "0x37b099c3581bce476674cdcac441fa5a3b0e01b024f2280bc3abaf9db877e10a";
const SHA3: &str = "0x9015cee3dd5936ea23349f57e39f57a8c029bee02eb4ca84af13a7a0b2e9a8c9";

const NEXT_STAGE: &str = "
            < Login-Response flags=81 isid=800000000001 itt=1 statsn=2 expcmdsn=1 maxcmdsn=1";
const REFUSED: &str = "
            < Login-Response isid=800000000001 itt=1 statsn=2 expcmdsn=1 maxcmdsn=1 login-status=0201
            * rejected 0201 \"iqn.i\"";

#[test]
fn one_way_chap_with_each_algorithm() {
    for (number, response) in [("5", MD5), ("6", SHA1), ("7", SHA256), ("8", SHA3)] {
        chap(number, number, response, NEXT_STAGE);
    }
    // The target takes the strongest of the list; a response may be in base64 and in upper case.
    chap("5,6,7", "7", SHA256, NEXT_STAGE);
    chap("7,5,8", "8", SHA3, NEXT_STAGE);
    chap("5", "5", "0bOpMN9O84y/l0oKk6k2IKGQ==", NEXT_STAGE);
    chap("5", "5", "0X3A930DF4EF38CBF974A0A93A93620A19", NEXT_STAGE);
}

#[test]
fn mutual_chap_with_each_algorithm() {
    // The hash of identifier 01h, `secret-of-target` and the bytes 01h to 10h.
    for (number, response, target) in [
        ("5", MD5, "0xb74a7b612edf621649c97617423cad4c"),
        ("6", SHA1, "0x67dfba512ffd24abbe491a07dfcf14853bb86a23"),
        ("7", SHA256, "0x446998af12a11cb412fd0cee45f12a677e72a546c3d652ba5670794ce2835237"),
        ("8", SHA3, "0xbf3ffdebecb80718004ec3a7a8b996d180a2aae80fb92e0800fbeefb6a82fc89"),
    ] {
        let offer = " CHAP_I=1 CHAP_C=0x0102030405060708090a0b0c0d0e0f10";
        chap(number, number, response, &format!("{offer}{NEXT_STAGE} text CHAP_N=target CHAP_R={target}"));
    }
}

#[test]
fn wrong_chap_responses_are_refused() {
    let reason = " CHAP authentication failed for user \"user\"\n= closing";
    // A wrong secret, the hash of another algorithm, an empty and a malformed response.
    chap("5", "5", "0x3a930df4ef38cbf974a0a93a93620a18", &format!("{REFUSED}{reason}"));
    chap("7", "7", MD5, &format!("{REFUSED}{reason}"));
    chap("5", "5", "0x", &format!("{REFUSED}{reason}"));
    chap("5", "5", "3a930df4", &format!("{REFUSED}\n= closing"));
    // The initiator returns the challenge of the target (RFC 7143 §9.2.1), or an identifier that is not a byte.
    let reflected = format!(" CHAP_I=1 CHAP_C=0x{}{REFUSED}", "03".repeat(31));
    chap("5", "5", MD5, &reflected);
    chap("5", "5", MD5, &format!(" CHAP_I=256 CHAP_C=0x01{REFUSED}"));
}

#[test]
fn logins_without_the_required_authentication_are_refused() {
    let first = "
        >! Login isid=800000000001 itt=1 cmdsn=1 text InitiatorName=iqn.i TargetName=iqn.t";
    let refused = "
        < Login-Response isid=800000000001 itt=1 expcmdsn=1 maxcmdsn=1 login-status=0201
        * rejected 0201 \"iqn.i\"
        = closing";
    // Only None is offered; no algorithm is known; a response without a challenge; the security stage is skipped.
    play(with_chap(false), &format!("{first} AuthMethod=None{refused}"));
    play(with_chap(false), &format!("{first} AuthMethod=KRB5,SRP{refused}"));
    play(with_chap(false), &format!("{first} AuthMethod=CHAP CHAP_A=9{refused}"));
    play(with_chap(false), &format!("{first} AuthMethod=CHAP CHAP_N=user CHAP_R={MD5}{refused}"));
    play(with_chap(false), &format!("{}{refused}", first.replace("Login isid", "Login flags=87 isid")));
    // CHAP is offered to a target without users.
    play(config(), &format!("{first} AuthMethod=CHAP{refused}"));
    // Without authentication, the initiator stays in the security stage.
    play(
        with_chap(false),
        &format!(
            "{}
            < Login-Response isid=800000000001 itt=1 expcmdsn=1 maxcmdsn=1 text TargetAlias=alias TargetPortalGroupTag=1 AuthMethod=CHAP
            ",
            first.replace("Login isid", "Login flags=81 isid").replace("TargetName=iqn.t", "TargetName=iqn.t AuthMethod=CHAP")
        ),
    );
    // Mutual authentication that the target is not configured for.
    play(
        with_chap(false),
        &format!(
            "{first} AuthMethod=CHAP CHAP_A=5
            < Login-Response isid=800000000001 itt=1 expcmdsn=1 maxcmdsn=1 text TargetAlias=alias TargetPortalGroupTag=1 AuthMethod=CHAP CHAP_A=5 CHAP_I=3 CHAP_C=0x{}
            >! Login flags=81 isid=800000000001 itt=1 cmdsn=1 expstatsn=1 text CHAP_N=user CHAP_R={MD5} CHAP_I=1 CHAP_C=0x01
            < Login-Response isid=800000000001 itt=1 statsn=1 expcmdsn=1 maxcmdsn=1 login-status=0201
            * rejected 0201 \"iqn.i\"
            = closing
            ",
            "03".repeat(31)
        ),
    );
}

/// Status-Class and Status-Detail of RFC 7143 §11.13.5.
#[test]
fn refused_logins_have_a_status() {
    let refused = |fields: &str, keys: &str, status: &str, event: &str| {
        let text = if keys.is_empty() { String::new() } else { format!("text {keys}") };
        play(
            TargetConfig { initiators: Some(vec!["iqn.i".into()]), ..config() },
            &format!(
                "
                >! Login isid=800000000001 itt=1 cmdsn=1 {fields} {text}
                < Login-Response isid=800000000001 itt=1 expcmdsn=1 maxcmdsn=1 login-status={status}
                * rejected {status} {event}
                = closing
                "
            ),
        );
    };
    let names = "InitiatorName=iqn.i TargetName=iqn.t";
    refused("flags=87", "TargetName=iqn.t", "0207", "\"\" InitiatorName is missing");
    refused("flags=87", "InitiatorName=iqn.i", "0207", "\"iqn.i\" TargetName is missing");
    refused(
        "flags=87",
        "InitiatorName=iqn.other TargetName=iqn.t",
        "0202",
        "\"iqn.other\" the initiator is not in iscsi.initiators",
    );
    refused("flags=87", "InitiatorName=iqn.i TargetName=iqn.x", "0203", "\"iqn.i\" unknown target \"iqn.x\"");
    refused("flags=87", "InitiatorName=iqn.i TargetName=iqn.t SessionType=Other", "0200", "\"iqn.i\"");
    // Version-min above 0; NSG reserved, equal to CSG, or below it; CSG full feature phase.
    refused("flags=87 version-max=2 version-min=1", names, "0205", "\"\"");
    refused("flags=86", names, "020b", "\"\"");
    refused("flags=85", names, "020b", "\"\"");
    refused("flags=84", names, "020b", "\"\"");
    refused("flags=8f", names, "020b", "\"\"");
    refused("flags=0c", names, "020b", "\"\"");
    // Malformed keys: twice, without a value, an empty key, a key of 64 bytes.
    refused("flags=87", &format!("{names} A=1 A=2"), "0200", "\"\" key A occurs twice");
    refused("flags=87", &format!("{names} A"), "0200", "\"\" malformed key=value pair \"A\"");
    refused("flags=87", &format!("{names} =A"), "0200", "\"\" malformed key=value pair \"=A\"");
    let long = "K".repeat(64);
    refused("flags=87", &format!("{names} {long}=1"), "0200", &format!("\"\" malformed key=value pair \"{long}=1\""));
    refused("flags=87", "", "0207", "\"\" InitiatorName is missing");
}

/// CSG must be the stage of the last response (§11.12.3): the initiator goes back, and it ends a stage that the target
/// has not left.
#[test]
fn requests_of_another_stage_are_refused() {
    for (fields, target, wrong) in [("81", "81", "81"), ("04", "04", "81"), ("00", "00", "87")] {
        let declares = if target == "04" { " MaxRecvDataSegmentLength=8192" } else { "" };
        play(
            config(),
            &format!(
                "
                >! Login flags={fields} isid=800000000001 itt=1 cmdsn=1 text InitiatorName=iqn.i TargetName=iqn.t
                < Login-Response flags={target} isid=800000000001 itt=1 expcmdsn=1 maxcmdsn=1 text TargetAlias=alias TargetPortalGroupTag=1{declares}
                >! Login flags={wrong} isid=800000000001 itt=1 cmdsn=1 expstatsn=1
                < Login-Response isid=800000000001 itt=1 statsn=1 expcmdsn=1 maxcmdsn=1 login-status=020b
                * rejected 020b \"iqn.i\"
                = closing
                "
            ),
        );
    }
}

/// A key of 63 bytes is the longest that RFC 7143 §6.1 allows.
#[test]
fn longest_key_is_understood() {
    let long = "K".repeat(63);
    play(
        config(),
        &format!(
            "
            >! Login flags=04 isid=800000000001 itt=1 cmdsn=1 text InitiatorName=iqn.i TargetName=iqn.t {long}=1
            < Login-Response flags=04 isid=800000000001 itt=1 expcmdsn=1 maxcmdsn=1 text TargetAlias=alias TargetPortalGroupTag=1 {long}=NotUnderstood MaxRecvDataSegmentLength=8192
            "
        ),
    );
}

/// Values out of range get the response Reject and change nothing (RFC 7143 §6.2).
#[test]
fn invalid_values_are_rejected() {
    play(
        config(),
        "
        >! Login flags=04 isid=800000000001 itt=1 cmdsn=1 text InitiatorName=iqn.i TargetName=iqn.t MaxBurstLength=511 FirstBurstLength=16777216 MaxRecvDataSegmentLength=0x1ff MaxOutstandingR2T=0 MaxConnections=65536 DefaultTime2Wait=3601 DefaultTime2Retain=x ErrorRecoveryLevel=3 HeaderDigest=MD5 DataDigest=x,CRC32C InitialR2T=Maybe ImmediateData=yes TaskReporting=FastAbort IFMarkInt=1~2 OFMarker=No RDMAExtensions=Yes
        < Login-Response flags=04 isid=800000000001 itt=1 expcmdsn=1 maxcmdsn=1 text TargetAlias=alias TargetPortalGroupTag=1 MaxBurstLength=Reject MaxRecvDataSegmentLength=Reject MaxOutstandingR2T=Reject MaxConnections=Reject DefaultTime2Wait=Reject DefaultTime2Retain=Reject ErrorRecoveryLevel=Reject HeaderDigest=Reject DataDigest=CRC32C InitialR2T=Reject ImmediateData=Reject TaskReporting=Reject IFMarkInt=Reject OFMarker=No RDMAExtensions=No FirstBurstLength=Reject MaxRecvDataSegmentLength=8192
        ",
    );
}

/// Anything but a login request closes the connection without a response; so does a second request while the owner
/// decides.
#[test]
fn other_pdus_in_the_login_phase_close_the_connection() {
    for pdu in [
        "NOP-Out flags=80 itt=1 ttt=ffffffff",
        "Command flags=81 itt=1",
        "Text flags=80 itt=1 ttt=ffffffff",
        "Logout flags=80",
        "Reserved",
    ] {
        play(config(), &format!("> {pdu}\n= closing"));
    }
    // A data segment longer than 8192 bytes, and additional header segments that are too long.
    play(config(), ">! Login flags=87 itt=1 cmdsn=1 length=2001\n= closing");
    play(config(), ">! Login flags=87 itt=1 cmdsn=1 ahs=6\n= closing");
    play(
        config(),
        "
        >! Login flags=87 isid=800000000001 itt=1 cmdsn=1 text InitiatorName=iqn.i TargetName=iqn.t
        * login iqn.i target=iqn.t isid=800000000001 tsih=0 cid=0 discovery=false
        >! Login flags=87 isid=800000000001 itt=1 cmdsn=1 expstatsn=1
        = closing
        ",
    );
}

/// The number of requests and the length of the keys of a login are bounded: out of resources (0302h).
#[test]
fn long_logins_are_refused() {
    let names = "text InitiatorName=iqn.i TargetName=iqn.t";
    let mut transcript = format!(
        "
        >! Login flags=04 isid=800000000001 itt=1 cmdsn=1 {names}
        < Login-Response flags=04 isid=800000000001 itt=1 expcmdsn=1 maxcmdsn=1 text TargetAlias=alias TargetPortalGroupTag=1 MaxRecvDataSegmentLength=8192
        "
    );
    for number in 1..50 {
        transcript += &format!(
            "
            >! Login flags=04 isid=800000000001 itt=1 cmdsn=1
            < Login-Response flags=04 isid=800000000001 itt=1 statsn={number:x} expcmdsn=1 maxcmdsn=1
            "
        );
    }
    transcript += "
        >! Login flags=04 isid=800000000001 itt=1 cmdsn=1
        < Login-Response isid=800000000001 itt=1 statsn=32 expcmdsn=1 maxcmdsn=1 login-status=0302
        * rejected 0302 \"iqn.i\"
        = closing
        ";
    play(config(), &transcript);
    play(
        config(),
        "
        >! Login flags=44 isid=800000000001 itt=1 cmdsn=1 data 41*8192
        < Login-Response flags=04 isid=800000000001 itt=1 expcmdsn=1 maxcmdsn=1
        >! Login flags=44 isid=800000000001 itt=1 cmdsn=1 data 41*8192
        < Login-Response flags=04 isid=800000000001 itt=1 statsn=1 expcmdsn=1 maxcmdsn=1
        >! Login flags=44 isid=800000000001 itt=1 cmdsn=1 data 41
        < Login-Response isid=800000000001 itt=1 statsn=2 expcmdsn=1 maxcmdsn=1 login-status=0302
        * rejected 0302 \"\"
        = closing
        ",
    );
}
