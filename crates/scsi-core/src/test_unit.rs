//! A small logical unit for the tests of the SPC commands, and scripts of commands with the responses that the standard
//! requires.
//!
//! A line of a script is empty, a comment (`#`), or one of:
//!
//! - `A > CDB [out BYTES] [room N]`: a command of I_T nexus A, B or C, with its Data-Out bytes and the size of its
//!   Data-In buffer (4096 if absent);
//! - `< STATUS [KEY ASC ASCQ [SKS]] [sense BYTES] [in BYTES]`: the response. Three or six bytes after the status are a
//!   current error in fixed format, whose other bytes are zero; `sense` gives all bytes of the sense data;
//! - `! login A`, `! logout A`, `! reset`, `! target-reset`, `! cleared A` (CLEAR TASK SET), `! power-cycle`;
//! - `! deferred A KEY ASC ASCQ`: an error of an earlier command of A; `! self-test KEY ASC ASCQ`: the next self-tests
//!   fail; `! aborts A B`: the last command aborted the commands of these nexuses.
//!
//! BYTES are as in [`crate::transcript`].

use crate::asc::Asc;
use crate::cdb::Cdb;
use crate::command::{Context, DeviceCommand, SpcCommand, TEST_UNIT_READY, identifying_information, with_spc_rows};
use crate::command_spec::{CommandRow, CommandSpec, CommandTable};
use crate::data::Data;
use crate::device_server::DeviceServer;
use crate::dump::DumpSupport;
use crate::fault::{Completion, Outcome, Save};
use crate::field::FieldPointer;
use crate::identity::{Identity, InquiryStrings};
use crate::inquiry::InquiryData;
use crate::inquiry::VersionDescriptor::{Standard, Transport};
use crate::log::{LogId, LogWriter};
use crate::lu::{AdmissionCheck, DEFAULT_ORDER, Lu, SavedState, SpcDevice};
use crate::mode::{ModeHeader, ModeHeaderField, ModePageDef, PageControl, PageId, control_0a};
use crate::nexus::{NexusId, TransportId};
use crate::page_override::{PageOverride, PageOverrides};
use crate::port::{PortNames, TargetPort};
use crate::sense::{Sense, SenseKey};
use crate::target::{LogicalUnit, Request, TransportEvent};
use crate::time::{Now, Timestamp};
use crate::transcript::{Response, bytes, part};
use crate::writer::PageWriter;
use std::io::{IoSlice, IoSliceMut};

type Row = CommandRow<DeviceCommand<()>>;

/// TEST UNIT READY, which always succeeds, and identifying information.
const OWN: [Row; 3] = [
    Row::own(TEST_UNIT_READY, ()),
    Row::spc(identifying_information::REPORT, SpcCommand::ReportIdentifyingInformation),
    Row::spc(identifying_information::SET, SpcCommand::SetIdentifyingInformation),
];
const ALL: [Row; 37] = with_spc_rows(&OWN);
const COMMANDS: CommandTable<DeviceCommand<()>> = CommandTable(&ALL);

/// A page for all nexuses, a page for each nexus, and a page with a subpage code that can be saved.
const MODE_PAGES: &[ModePageDef] = &[
    control_0a::PAGE,
    ModePageDef::new(
        PageId { page: 0x0a, subpage: 0xf0 },
        &[0x4a, 0xf0, 0, 0x04, 0x12, 0, 0x34, 0],
        &[0, 0, 0, 0, 0xff, 0, 0x0f, 0x01],
    )
    .saveable(),
    ModePageDef::new(PageId::page(0x0f), &[0x0f, 0x02, 0x40, 0], &[0, 0, 0xff, 0]).per_nexus(),
];

const WRITE_ERRORS: LogId = LogId::page(0x02);
const READ_ERRORS: LogId = LogId::page(0x03);
const VENDOR: LogId = LogId::page(0x30);
const VENDOR_SUBPAGE: LogId = LogId { page: 0x30, subpage: 0x01 };

/// The facts of the test unit: a tape drive of SPC-5 with a block length of 512 bytes.
#[derive(Debug)]
pub(crate) struct TestDevice {
    block_length: [u8; 3],
    write_errors: [u64; 3],
    self_test: Outcome,
    pub(crate) dumps: DumpSupport,
    pub(crate) progress: Option<Sense>,
}

impl SpcDevice for TestDevice {
    fn inquiry(&self) -> &InquiryData {
        const INQUIRY: InquiryData = InquiryData {
            device_type: 0x01,
            version: 0x07,
            format: 0x02,
            flags: [0x00, 0x10, 0x02],
            vendor_specific: [0x20; 20],
            serial_offset: Some(36),
            descriptors: &[Standard(0x00a0), Transport, Standard(0x05c0)],
            length: 64,
        };
        &INQUIRY
    }

    fn command_specs(&self) -> Vec<CommandSpec> {
        COMMANDS.specs()
    }

    fn vpd_pages(&self) -> &'static [u8] {
        &[0x00, 0x80, 0x83, 0x85, 0x86, 0x87, 0x88, 0xc0]
    }

    fn write_vpd_page(&self, page: u8, _identity: &Identity, w: &mut PageWriter) {
        w.u8(page).u8(0x5a);
    }

    fn mode_header(&self) -> (u8, u8) {
        (0x88, 0x10)
    }

    fn block_descriptor(&self) -> Option<[u8; 8]> {
        let [a, b, c] = self.block_length;
        Some([0x5e, 0, 0, 0, 0, a, b, c])
    }

    fn render_mode_page(&self, _id: PageId, _control: PageControl, _page: &mut [u8]) {}

    fn check_mode_page(&self, id: PageId, page: &[u8]) -> Result<(), FieldPointer> {
        let invalid = id.subpage == 0xf0 && page[4] > 0x7f;
        if invalid { Err(FieldPointer::byte(4)) } else { Ok(()) }
    }

    fn rounds_mode(&self, id: PageId, page: &[u8]) -> bool {
        id.subpage == 0xf0 && page[7] == 1
    }

    fn check_mode_header(&self, header: &ModeHeader, _nexus: NexusId) -> Result<(), ModeHeaderField> {
        if header.device_specific & 0x80 != 0 {
            return Err(ModeHeaderField::DeviceSpecific(0x80));
        }
        let odd = header.block.is_some_and(|block| block[7] & 1 != 0);
        if odd { Err(ModeHeaderField::Block(FieldPointer::byte(5))) } else { Ok(()) }
    }

    fn apply_mode_header(&mut self, header: &ModeHeader) -> bool {
        let Some([.., a, b, c]) = header.block else { return false };
        std::mem::replace(&mut self.block_length, [a, b, c]) != [a, b, c]
    }

    fn log_pages(&self) -> &'static [LogId] {
        &[WRITE_ERRORS, READ_ERRORS, VENDOR, VENDOR_SUBPAGE]
    }

    fn write_log_page(&self, id: LogId, _request: &Request<'_>, w: &mut LogWriter) {
        match id {
            WRITE_ERRORS => w.counters(0, 4, &self.write_errors),
            READ_ERRORS => w.counter(0, 4, 7),
            VENDOR => w.parameter(0x0010, 0x41, b"abc").parameter(0x8000, 0x43, &[1, 2]),
            VENDOR_SUBPAGE => w.number(0x0001, 0xc0, 2, 0x1234),
            _ => w.parameter(0, 0x43, &[0, 0, 25, 0]),
        };
    }

    /// The last counter of write errors is cleared when the page is read.
    fn log_page_read(&mut self, id: LogId, _nexus: NexusId) {
        if id == WRITE_ERRORS {
            self.write_errors[2] = 0;
        }
    }

    fn reset_log_counters(&mut self, id: Option<LogId>) -> bool {
        let resets = id.is_none_or(|id| id == WRITE_ERRORS);
        if resets {
            self.write_errors = [0; 3];
        }
        resets
    }

    fn dump_support(&self) -> DumpSupport {
        self.dumps
    }

    fn diagnostic_dump(&self, _identity: &Identity) -> Vec<u8> {
        b"dump".to_vec()
    }

    fn pollable_sense(&mut self) -> Option<Sense> {
        self.progress.clone()
    }

    fn self_test(&mut self) -> Outcome {
        self.self_test.clone()
    }
}

/// The test unit, with the state that would survive power loss.
pub(crate) struct TestUnit {
    lu: Lu,
    pub(crate) device: TestDevice,
    order: &'static [AdmissionCheck],
    pages: &'static [ModePageDef],
    overrides: PageOverrides,
    durable: SavedState,
    aborted: Vec<NexusId>,
    /// Wall-clock time of the commands, in milliseconds.
    pub(crate) wall: u64,
}

/// The nexus with this name, and its initiator port.
fn nexus(name: &str) -> (NexusId, TransportId) {
    let number = match name {
        "A" => 1,
        "B" => 2,
        "C" => 3,
        _ => panic!("nexus {name}"),
    };
    let isid = [0x80, 0, 0, 0, 0, number];
    (NexusId(number.into()), TransportId::iscsi(&format!("iqn.{}", name.to_ascii_lowercase()), isid))
}

impl TestUnit {
    /// A unit after power-on with this order of checks. Nexuses A, B and C are logged in.
    pub(crate) fn powered_on(order: &'static [AdmissionCheck]) -> Self {
        Self::restored(order, MODE_PAGES, SavedState::default())
    }

    /// A unit without pending unit attentions.
    pub(crate) fn ready() -> Self {
        let mut unit = Self::powered_on(DEFAULT_ORDER);
        unit.drain_attentions();
        unit
    }

    /// A unit whose mode pages cannot be saved, without pending unit attentions.
    pub(crate) fn without_saved_pages() -> Self {
        const PAGES: &[ModePageDef] = &[control_0a::PAGE];
        let mut unit = Self::restored(DEFAULT_ORDER, PAGES, SavedState::default());
        unit.drain_attentions();
        unit
    }

    /// Takes the power-on unit attentions of all nexuses.
    pub(crate) fn drain_attentions(&mut self) {
        for name in ["A", "B", "C"] {
            self.lu.attentions.take(nexus(name).0, |_| true);
        }
    }

    /// A unit with these overrides of its pages, without pending unit attentions.
    pub(crate) fn with_overrides(overrides: Vec<PageOverride>) -> Self {
        let mut unit = Self::build((DEFAULT_ORDER, MODE_PAGES), overrides.into(), SavedState::default());
        unit.drain_attentions();
        unit
    }

    fn restored(order: &'static [AdmissionCheck], pages: &'static [ModePageDef], saved: SavedState) -> Self {
        Self::build((order, pages), PageOverrides::default(), saved)
    }

    fn build(
        (order, pages): (&'static [AdmissionCheck], &'static [ModePageDef]),
        overrides: PageOverrides,
        saved: SavedState,
    ) -> Self {
        let device = TestDevice {
            block_length: [0, 2, 0],
            write_errors: [1, 2, 3],
            self_test: Ok(()),
            dumps: DumpSupport::NONE,
            progress: None,
        };
        let strings = InquiryStrings { vendor: "FERRIC".into(), product: "TEST UNIT".into(), revision: "0001".into() };
        let names = PortNames { device: "iqn.t".into(), port: "iqn.t,t,0x0001".into() };
        let port = TargetPort::ISCSI.with_names(names);
        let identity = Identity::new(strings, "S123", 0x3000_0000_0000_0001, port).with_pages(overrides.clone());
        let mut unit = Self {
            lu: Lu::new(identity, pages, order, saved.clone()),
            device,
            order,
            pages,
            overrides,
            durable: saved,
            aborted: Vec::new(),
            wall: 0x0190_0000_0000,
        };
        ["A", "B", "C"].into_iter().for_each(|name| unit.login(name, false));
        unit
    }

    fn login(&mut self, name: &str, reestablished: bool) {
        let (nexus, port) = nexus(name);
        self.notify(&TransportEvent::NexusEstablished { nexus, port, reestablished });
    }

    fn notify(&mut self, event: &TransportEvent) {
        self.handle_event(event.clone(), Now::default());
    }

    /// Runs one command. This is the only place that builds requests.
    fn send(&mut self, name: &str, cdb: &[u8], data: Data<'_, '_>) -> Completion {
        let now = Now { wall: Timestamp(self.wall), ..Now::default() };
        self.execute(&Request::new(nexus(name).0, cdb, now), data)
    }

    /// Runs a command of a nexus, and stores the state that it made durable.
    pub(crate) fn run(&mut self, name: &str, cdb: &[u8], out: &[u8], room: usize) -> Response {
        let (requested, mut buffer) =
            (self.expected_data_out(&Request::new(nexus(name).0, cdb, Now::default())), vec![0; room]);
        let completion = self.send(name, cdb, Data::new(&[IoSlice::new(out)], &mut [IoSliceMut::new(&mut buffer)]));
        buffer.truncate(completion.data_in);
        assert!(completion.data_out <= out.len(), "{cdb:02x?} consumed more than was sent");
        assert!(completion.data_out_missing <= requested, "{cdb:02x?} misses more than its parameter list");
        if completion.save.contains(Save::UNIT) {
            self.durable = self.lu.saved();
        }
        self.aborted = completion.abort_nexuses;
        let sense = completion.sense.map(|sense| sense.as_slice().to_vec()).unwrap_or_default();
        Response { status: completion.status.0, sense, data: buffer }
    }

    /// The status of a command given as text, such as `3c 02` (see [`crate::transcript`]).
    pub(crate) fn status(&mut self, name: &str, cdb: &str, out: &[u8]) -> u8 {
        self.run(name, &words(cdb), out, 4096).status
    }

    /// Returns whether any nexus prevents medium removal.
    pub(crate) fn removal_prevented(&self) -> bool {
        self.lu.removal_prevented()
    }

    /// Runs a script.
    ///
    /// # Panics
    /// If a response differs from the script, with the line of the command.
    pub(crate) fn play(&mut self, script: &str) -> &mut Self {
        let is_step = |(line, _): &(&str, usize)| !line.is_empty() && !line.starts_with('#');
        let mut lines = script.lines().map(str::trim).zip(1..).filter(is_step);
        while let Some((line, number)) = lines.next() {
            let Some((name, _)) = line.split_once(" > ") else {
                self.event(line.strip_prefix("! ").unwrap_or_else(|| panic!("line {number}: {line}")));
                continue;
            };
            let (expected, _) = lines.next().unwrap_or_else(|| panic!("line {number}: no response"));
            let room = part(line, "room").first().map_or(4096, |size| size.parse().unwrap());
            let response = self.run(name, &bytes(&part(line, ">")), &bytes(&part(line, "out")), room);
            let (expected, partial) = parse_response(expected);
            let mut comparable = response.clone();
            if partial {
                comparable.data.truncate(expected.data.len());
            }
            assert_eq!(comparable, expected, "line {number}: {line:.200}\nwhole response: {response:?}");
        }
        self
    }

    fn event(&mut self, event: &str) {
        let words: Vec<&str> = event.split_whitespace().collect();
        let sense = |words: &[&str]| {
            let [key, code, qualifier] = bytes(words).try_into().unwrap();
            Sense::new(SenseKey(key), Asc(u16::from_be_bytes([code, qualifier])))
        };
        match words.as_slice() {
            ["login", name] => self.login(name, true),
            ["logout", name] => self.notify(&TransportEvent::NexusLost(nexus(name).0)),
            ["reset"] => self.notify(&TransportEvent::UnitReset),
            ["target-reset"] => self.notify(&TransportEvent::TargetReset),
            ["cleared", name] => self.notify(&TransportEvent::TaskSetCleared(nexus(name).0)),
            ["power-cycle"] => {
                let (pages, overrides) = ((self.order, self.pages), self.overrides.clone());
                *self = Self::build(pages, overrides, self.durable.clone());
            }
            ["deferred", name, rest @ ..] => self.lu.defer_error(nexus(name).0, sense(rest)),
            ["self-test", rest @ ..] => self.device.self_test = Err(sense(rest).into()),
            ["aborts", names @ ..] => {
                assert_eq!(self.aborted, names.iter().map(|name| nexus(name).0).collect::<Vec<_>>(), "{event}");
            }
            _ => panic!("unknown event {event}"),
        }
    }
}

impl DeviceServer for TestUnit {
    type Command = ();
    const COMMANDS: CommandTable<DeviceCommand<()>> = COMMANDS;

    fn lu(&mut self) -> &mut Lu {
        &mut self.lu
    }

    fn unsupported_commands(&self) -> &'static [&'static str] {
        &[]
    }

    fn run(&mut self, row: &'static Row, request: &Request<'_>, cdb: &Cdb, data: &mut Data<'_, '_>) -> Outcome {
        match row.command {
            DeviceCommand::Spc(command) => {
                Context { lu: &mut self.lu, device: &mut self.device, request, cdb, data }.run_spc(command)
            }
            DeviceCommand::Own(()) => Ok(()),
        }
    }

    fn report_exceptions(&mut self) -> Outcome {
        Ok(())
    }

    fn apply_event(&mut self, _event: TransportEvent, _now: Now) {}

    fn data_out_length(&self, _command: (), _cdb: &Cdb) -> usize {
        0
    }
}

fn words(text: &str) -> Vec<u8> {
    bytes(&text.split_whitespace().collect::<Vec<_>>())
}

fn parse_response(line: &str) -> (Response, bool) {
    let rest = line.strip_prefix("< ").unwrap_or_else(|| panic!("{line}: expected a response"));
    let head = rest.split(" sense ").next().unwrap_or_default().split(" in ").next().unwrap_or_default();
    let (status, sense) = match words(head).as_slice() {
        [status] => (*status, bytes(&part(line, "sense"))),
        [status, key, code, qualifier, specific @ ..] => {
            let mut sense = vec![0x70, 0, *key, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, *code, *qualifier, 0];
            sense.extend_from_slice(specific);
            sense.resize(18, 0);
            (*status, sense)
        }
        _ => panic!("{line}: expected a status and sense"),
    };
    let data = part(line, "in");
    (Response { status, sense, data: bytes(&data) }, data.last() == Some(&".."))
}

#[test]
fn table_of_the_test_unit_is_consistent() {
    assert_eq!(COMMANDS.inconsistency(), None);
    assert!(MODE_PAGES.iter().skip(1).all(ModePageDef::is_consistent));
}
