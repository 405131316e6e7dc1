//! Every command with every wrong kind of target: it is refused with these words, and nothing changes.

use super::*;

/// `main` has an empty slot 4, A2L8 in drive 1, A4L8 at its I/O element 2 of 2, and A5L8 on its shelf; `far` has its own
/// shelf, with F2L8 on it, and no pool.
fn two_libraries() -> OpenSite {
    let text = "[[library]]\nslots = 6\nimport_export = 2\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\n\
        [[library.cartridges]]\npattern = \"A#L8\"\ncount = 5\nsize = \"64MB\"\n\
        [[library.cartridges]]\npattern = \"1000\"\nmedium = \"LTO-8\"\nsize = \"64MB\"\n\
        [[library]]\nname = \"far\"\nslots = 3\nimport_export = 1\n\
        [[library.drive]]\nmodel = \"ULT3580-TD8\"\n\
        [[library.cartridges]]\npattern = \"F#L8\"\ncount = 3\nsize = \"64MB\"\n";
    let site = Site::open_data_dir(DataDir::in_memory(), &parse("f", text).unwrap()).unwrap();
    for request in [
        r#"{"op":"load","cartridge":"A2L8"}"#,
        r#"{"op":"move","from":"A5L8","to":"io1"}"#,
        r#"{"op":"export","from":"A5L8"}"#,
        r#"{"op":"move","from":"A4L8","to":"io2"}"#,
        r#"{"op":"move","from":"F2L8","to":"io1"}"#,
        r#"{"op":"export","from":"F2L8"}"#,
    ] {
        send_request(&site, request).unwrap();
    }
    site
}

/// The code of each error as JSON, by a part of its message; the first one that fits.
const CODES: &[(&str, &str)] = &[
    ("is the address of", r#""invalid""#),
    ("import it first", r#""conflict""#),
    ("; export it first", r#""conflict""#),
    ("unload it first", r#""conflict""#),
    (" is not a drive", r#""invalid""#),
    (" is a drive; ", r#""invalid""#),
    ("is not a slot", r#""invalid""#),
    ("not in a drive", r#""conflict""#),
    ("is not a barcode", r#""invalid""#),
    ("not in library", r#""not_found""#),
    ("did you mean", r#""not_found""#),
    ("has no ", r#""not_found""#),
    ("there is no ", r#""not_found""#),
    ("there are several libraries", r#""invalid""#),
    ("the robot holds no cartridge", r#""invalid""#),
    ("robot holds no cartridges", r#""invalid""#),
    ("is not reached from outside", r#""invalid""#),
    ("TapeAlert flag", r#""invalid""#),
    ("to create is 0", r#""invalid""#),
    ("cannot create 10001", r#""invalid""#),
    ("is empty", r#""conflict""#),
    (" already", r#""conflict""#),
    (" holds ", r#""conflict""#),
    ("access door", r#""conflict""#),
    ("imports from shelf", r#""conflict""#),
    ("is disabled", r#""conflict""#),
    ("is offline", r#""conflict""#),
    ("is blocked", r#""conflict""#),
    ("is empty and usable", r#""conflict""#),
];

/// A target, and what a command says of it. The fields of each row: the JSON of the request with `@` for the target.
fn assert_refused(site: &OpenSite, request: &str, targets: &[(&str, &str)]) {
    let before: SiteStatus = site.status();
    for (target, expected) in targets {
        let request = request.replace('@', target);
        match send_request(site, &request) {
            Ok(answer) => panic!("{request} was done: {answer}"),
            Err(error) => {
                assert_eq!(error.message, *expected, "{request}");
                let code = CODES.iter().find(|(part, _)| expected.contains(part)).unwrap().1;
                assert_eq!(serde_json::to_string(&error.code).unwrap(), code, "{request}: {expected}");
            }
        }
        assert_eq!(site.status(), before, "{request}");
    }
}

/// Words that name nothing, or not here.
const UNKNOWN_ELEMENTS: &[(&str, &str)] = &[
    ("slot7", r#"library "main" has no slot7; it has slot1 to slot6"#),
    ("slot0", r#"library "main" has no slot0; it has slot1 to slot6"#),
    ("drive3", r#"library "main" has no drive3; it has drive1 and drive2"#),
    ("io3", r#"library "main" has no io3; it has io1 and io2"#),
    ("port3", r#"library "main" has no io3; it has io1 and io2"#),
    ("7", r#"library "main" has no element 7"#),
    ("70000", r#"library "main" has no element 70000"#),
    ("Slot1", r#"library "main" has no "Slot1"; did you mean slot1?"#),
    ("slot 1", r#"library "main" has no "slot 1"; did you mean slot1?"#),
    ("A1L8 ", r#"library "main" has no "A1L8 "; did you mean A1L8?"#),
    ("DRIVE1", r#"library "main" has no "DRIVE1"; did you mean drive1?"#),
    ("a1l8", r#"library "main" has no "a1l8"; did you mean A1L8?"#),
    ("A1", r#"library "main" has no "A1"; did you mean A1L8?"#),
    ("1000", "1000 is the address of slot1 and the barcode of the cartridge in slot6; say slot1 or slot6"),
    ("F1L8", r#"F1L8 is in slot1 of library "far", not in library "main""#),
    ("A5L8", r#"A5L8 is on shelf "main", not in a library; import it first: ferric import A5L8"#),
    (
        "+3",
        "library \"main\" has no \"+3\": name an element (slot1, drive1, io1, or an address) or the barcode of a cartridge in it",
    ),
    (
        "X9L8",
        "library \"main\" has no \"X9L8\": name an element (slot1, drive1, io1, or an address) or the barcode of a cartridge \
         in it",
    ),
];

#[test]
fn elements_of_the_wrong_kind_are_refused() {
    let site = two_libraries();
    let empty = ("slot4", "slot4 is empty");
    let robot = ("0", "the robot holds no cartridge between moves; name a slot, a drive, an I/O element or a barcode");
    for request in [
        r#"{"op":"load","library":"main","cartridge":"@"}"#,
        r#"{"op":"load","library":"main","cartridge":"@","drive":"drive2"}"#,
        r#"{"op":"move","library":"main","from":"@","to":"slot4"}"#,
        r#"{"op":"export","library":"main","from":"@"}"#,
    ] {
        assert_refused(&site, request, UNKNOWN_ELEMENTS);
        assert_refused(&site, request, &[empty, robot][usize::from(request.contains("move"))..]);
    }
    assert_refused(
        &site,
        r#"{"op":"unload","library":"main","drive":"@"}"#,
        &UNKNOWN_ELEMENTS[..UNKNOWN_ELEMENTS.len()],
    );
    assert_refused(&site, r#"{"op":"online","library":"main","drive":"@","online":false}"#, UNKNOWN_ELEMENTS);
    assert_refused(&site, r#"{"op":"alert","library":"main","drive":"@","flag":3,"raised":true}"#, UNKNOWN_ELEMENTS);
    assert_refused(&site, r#"{"op":"alerts","library":"main","drive":"@"}"#, UNKNOWN_ELEMENTS);
    assert_refused(&site, r#"{"op":"find","library":"main","element":"@"}"#, UNKNOWN_ELEMENTS);
    assert_refused(&site, r#"{"op":"element","library":"main","element":"@","fault":"disabled"}"#, UNKNOWN_ELEMENTS);
}

#[test]
fn non_drive_targets_are_refused() {
    let site = two_libraries();
    assert_refused(
        &site,
        r#"{"op":"load","library":"main","cartridge":"@"}"#,
        &[
            ("drive1", "A2L8 is in drive1 already; for another drive: ferric move drive1 DRIVE"),
            ("A2L8", "A2L8 is in drive1 already; for another drive: ferric move drive1 DRIVE"),
            ("drive2", "drive2 is empty"),
            ("io1", "io1 is empty"),
        ],
    );
    let no_drive = r#" is not a drive; library "main" has drive1 and drive2"#;
    assert_refused(
        &site,
        r#"{"op":"load","library":"main","cartridge":"A1L8","drive":"@"}"#,
        &[
            ("drive1", "drive1 holds A2L8"),
            ("A2L8", "drive1 holds A2L8"),
            ("slot4", &format!("slot4{no_drive}")),
            ("io1", &format!("io1{no_drive}")),
            ("0", &format!("robot{no_drive}")),
            ("A3L8", "A3L8 is in slot3, not in a drive"),
            ("drive9", r#"library "main" has no drive9; it has drive1 and drive2"#),
        ],
    );
    let elsewhere = |target: &str| format!("; to move a cartridge elsewhere: ferric move {target} TO");
    assert_refused(
        &site,
        r#"{"op":"unload","library":"main","drive":"@"}"#,
        &[
            ("slot1", &format!("slot1{no_drive}{}", elsewhere("slot1"))),
            ("slot4", &format!("slot4{no_drive}{}", elsewhere("slot4"))),
            ("io2", &format!("io2{no_drive}{}", elsewhere("io2"))),
            ("0", &format!("robot{no_drive}{}", elsewhere("0"))),
            ("A1L8", &format!("A1L8 is in slot1, not in a drive{}", elsewhere("A1L8"))),
            ("drive2", "drive2 is empty"),
        ],
    );
    for request in [
        r#"{"op":"online","library":"main","drive":"@","online":false}"#,
        r#"{"op":"alert","library":"main","drive":"@","flag":3,"raised":true}"#,
        r#"{"op":"alerts","library":"main","drive":"@"}"#,
        r#"{"op":"find","library":"main","element":"@","drive":true}"#,
    ] {
        assert_refused(
            &site,
            request,
            &[
                ("slot1", &format!("slot1{no_drive}")),
                ("0", &format!("robot{no_drive}")),
                ("A1L8", "A1L8 is in slot1, not in a drive"),
            ],
        );
    }
}

#[test]
fn non_slot_targets_are_refused() {
    let site = two_libraries();
    assert_refused(
        &site,
        r#"{"op":"element","library":"main","element":"@","fault":"blocked"}"#,
        &[
            ("drive1", "drive1 is a drive; set it offline instead: ferric drive drive1 offline"),
            ("A2L8", "drive1 is a drive; set it offline instead: ferric drive drive1 offline"),
            ("0", "the robot is not a slot; use: ferric robot offline"),
        ],
    );
}

#[test]
fn moves_to_the_wrong_place_are_refused() {
    let site = two_libraries();
    assert_refused(&site, r#"{"op":"move","library":"main","from":"A1L8","to":"@"}"#, &UNKNOWN_ELEMENTS[..14]);
    assert_refused(
        &site,
        r#"{"op":"move","library":"main","from":"A1L8","to":"@"}"#,
        &[
            ("slot3", "slot3 holds A3L8"),
            ("A3L8", "slot3 holds A3L8"),
            ("drive1", "drive1 holds A2L8"),
            ("slot1", "A1L8 is in slot1 already"),
            ("0", "robot holds no cartridges"),
        ],
    );
    assert_refused(
        &site,
        r#"{"op":"export","library":"main","from":"@"}"#,
        &[
            ("drive1", "A2L8 is in drive1; unload it first: ferric unload drive1"),
            (
                "A1L8",
                "slot1 is reached through the access door, which is closed; use an I/O element, or open it: ferric door access \
                 open",
            ),
        ],
    );
    assert_refused(
        &site,
        r#"{"op":"import","library":"main","cartridge":"A5L8","to":"@"}"#,
        &[
            (
                "slot4",
                "slot4 is reached through the access door, which is closed; use an I/O element, or open it: ferric door access \
                 open",
            ),
            ("io2", "io2 holds A4L8"),
            (
                "drive2",
                "drive2 is not reached from outside; name an I/O element, or a slot while the access door is open",
            ),
            ("io9", r#"library "main" has no io9; it has io1 and io2"#),
        ],
    );
    assert_refused(
        &site,
        r#"{"op":"import","library":"main","cartridge":"@"}"#,
        &[
            ("A1L8", r#"A1L8 is in slot1 of library "main" already"#),
            ("A2L8", r#"A2L8 is in drive1 of library "main" already"#),
            ("F1L8", r#"F1L8 is in slot1 of library "far" already"#),
            ("F2L8", r#"F2L8 is on shelf "far"; library "main" imports from shelf "main""#),
            ("slot1", r#""slot1" is not a barcode: 1 to 16 of A-Z, 0-9, - and _"#),
            ("a5l8", r#"there is no cartridge "a5l8"; did you mean A5L8?"#),
            ("X9L8", "there is no cartridge X9L8; ferric cartridge lists the existing ones"),
        ],
    );
}

#[test]
fn unknown_cartridges_and_pools_are_refused() {
    let site = two_libraries();
    let no_cartridge = [
        ("a1l8", r#"there is no cartridge "a1l8"; did you mean A1L8?"#),
        ("A1", "there is no cartridge A1; did you mean A1L8?"),
        ("X9L8", "there is no cartridge X9L8"),
        ("slot1", r#""slot1" is not a barcode: 1 to 16 of A-Z, 0-9, - and _"#),
    ];
    for request in [
        r#"{"op":"label","cartridge":"@","label":"missing"}"#,
        r#"{"op":"label","cartridge":"@"}"#,
        r#"{"op":"protect","cartridge":"@","on":true}"#,
        r#"{"op":"retain","cartridge":"@","until":1}"#,
        r#"{"op":"hold","cartridge":"@","on":true,"reason":"x"}"#,
        r#"{"op":"delete","cartridge":"@"}"#,
        r#"{"op":"forget","cartridge":"@"}"#,
        r#"{"op":"cartridges","cartridge":"@"}"#,
    ] {
        assert_refused(&site, request, &no_cartridge);
    }
    assert_refused(
        &site,
        r#"{"op":"delete","cartridge":"@"}"#,
        &[("A1L8", r#"A1L8 is in slot1 of library "main"; export it first"#)],
    );
    for request in [r#"{"op":"protect","cartridge":"@","on":true}"#, r#"{"op":"forget","cartridge":"@"}"#] {
        assert_refused(&site, request, &[("A2L8", "A2L8 is in drive1; unload it first")]);
    }
    assert_refused(
        &site,
        r#"{"op":"label","cartridge":"@","label":"missing"}"#,
        &[("A5L8", r#"A5L8 is on shelf "main", not in a library; import it first: ferric import A5L8"#)],
    );
    assert_refused(
        &site,
        r#"{"op":"create","pool":"@","count":1}"#,
        &[("daily", r#"there is no pool "daily": there are no pools"#)],
    );
    let pool = "[library]\n[[pool]]\nname = \"daily\"\npattern = \"D##L7\"\nsize = \"64MB\"\n";
    let site = Site::open_data_dir(DataDir::in_memory(), &parse("f", pool).unwrap()).unwrap();
    for request in [r#"{"op":"create","pool":"@","count":1}"#, r#"{"op":"pools","pool":"@"}"#] {
        assert_refused(
            &site,
            request,
            &[
                ("Daily", r#"there is no pool "Daily"; did you mean "daily"?"#),
                ("x", r#"there is no pool "x"; the site has "daily""#),
            ],
        );
    }
    assert_refused(
        &site,
        r#"{"op":"create","pool":"daily","count":@}"#,
        &[
            ("0", "the number of cartridges to create is 0; give 1 or more"),
            ("10001", "cannot create 10001 cartridges at once: at most 10000"),
        ],
    );
}

#[test]
fn unknown_libraries_and_flags_are_refused() {
    let site = two_libraries();
    for request in [
        r#"{"op":"door","library":"@","door":"access","open":true}"#,
        r#"{"op":"online","library":"@","online":false}"#,
        r#"{"op":"inject_fault","library":"@","fault":"load"}"#,
        r#"{"op":"alert","library":"@","flag":1,"raised":true}"#,
        r#"{"op":"load","library":"@","cartridge":"slot1"}"#,
    ] {
        assert_refused(
            &site,
            request,
            &[
                ("main ", r#"there is no library "main "; did you mean "main"?"#),
                ("Main", r#"there is no library "Main"; did you mean "main"?"#),
                ("x", r#"there is no library "x"; the site has "main", "far""#),
            ],
        );
        let unnamed = request.replace(r#""library":"@","#, "");
        assert_eq!(
            send_request(&site, &unnamed).map_err(|error| error.message),
            Err(r#"there are several libraries; name one with --library ("library" in a request): "main", "far""#
                .into()),
            "{unnamed}"
        );
    }
    let nowhere = r#"{"op":"load","cartridge":"V00099L8"}"#;
    let said = send_request(&site, nowhere).unwrap_err().message;
    assert_eq!(said, "there is no cartridge V00099L8; ferric cartridge lists the existing ones");
    assert_refused(
        &site,
        r#"{"op":"alert","library":"main","flag":@,"raised":true}"#,
        &[
            ("0", "TapeAlert flag 0 does not exist; expected 1 to 64"),
            ("65", "TapeAlert flag 65 does not exist; expected 1 to 64"),
        ],
    );
}

/// Elements that are not usable say why.
#[test]
fn disabled_elements_name_their_fault() {
    let site = two_libraries();
    let main = |request: &str| request.replacen('{', r#"{"library":"main","#, 1);
    for request in [
        r#"{"op":"element","element":"slot4","fault":"disabled"}"#,
        r#"{"op":"element","element":"slot1","fault":"blocked"}"#,
        r#"{"op":"online","drive":"drive2","online":false}"#,
    ] {
        send_request(&site, &main(request)).unwrap();
    }
    assert_refused(
        &site,
        r#"{"op":"move","library":"main","from":"A3L8","to":"@"}"#,
        &[
            ("slot4", "slot4 is disabled; enable it: ferric slot slot4 enable"),
            ("drive2", "drive2 is offline; to set it online: ferric drive drive2 online"),
        ],
    );
    assert_eq!(
        send_request(&site, &main(r#"{"op":"move","from":"A1L8","to":"slot5"}"#)).map_err(|error| error.message),
        Err("the robot cannot reach slot1, which is blocked; unblock it: ferric slot slot1 enable".into())
    );
    assert_refused(
        &site,
        r#"{"op":"load","library":"main","cartridge":"@"}"#,
        &[("A3L8", r#"no drive of library "main" is empty and usable"#)],
    );
    send_request(&site, &main(r#"{"op":"door","door":"access","open":true}"#)).unwrap();
    assert_refused(
        &site,
        r#"{"op":"unload","library":"main","drive":"@"}"#,
        &[("drive1", "the access door is open; close it: ferric door access close")],
    );
    send_request(&site, &main(r#"{"op":"door","door":"access","open":false}"#)).unwrap();
    send_request(&site, &main(r#"{"op":"online","online":false}"#)).unwrap();
    assert_refused(
        &site,
        r#"{"op":"unload","library":"main","drive":"@"}"#,
        &[("drive1", "the robot is offline; to set it online: ferric robot online")],
    );
    send_request(&site, &main(r#"{"op":"online","online":true}"#)).unwrap();
    // Its slot is free again, but out of use: another one takes the cartridge.
    send_request(&site, &main(r#"{"op":"element","element":"slot2","fault":"disabled"}"#)).unwrap();
    let answer = send_request(&site, r#"{"op":"unload","drive":"A2L8"}"#).unwrap();
    assert_eq!(answer["to_element"], "slot5");
}
