//! A record of a command as people and programs read it: one line of text, or one line of JSON.

use super::{CommandOutcome, CommandRecord, DeviceKind, TapePosition, UnitName};
use scsi_core::cdb::Cdb;
use scsi_core::cdb_field::FieldValue;
use scsi_core::command_spec::CommandSpec;
use scsi_core::data::DataOut;
use scsi_core::hex::Hex;
use scsi_core::sense::Sense;
use scsi_core::status::Status;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::fmt;
use std::io::IoSlice;
use std::sync::Arc;

/// Milliseconds in a day, for the time of day in a line.
const MS_PER_DAY: u64 = 24 * 60 * 60 * 1000;

/// The record of a command that has ended, as a trace prints it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceRecord {
    /// Number of the command in the site since its start, from 1; in a trace file, since the start of the file.
    pub seq: u64,
    /// Identifier of the start of the daemon, as in its events.
    #[serde(default = "empty")]
    pub start: Arc<str>,
    /// Time at which its execution began, or at which it ended without execution, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// Name of the target through which it came.
    #[serde(default = "empty")]
    pub target: Arc<str>,
    /// The unit of the command; the target itself if the LUN has no unit.
    #[serde(flatten)]
    pub unit: Arc<UnitName>,
    /// Name of the initiator, such as an iSCSI name.
    pub initiator: Arc<str>,
    /// Number of the I_T nexus.
    pub nexus: u32,
    /// LUN through which the command came.
    pub lun: u64,
    /// Tag that the transport gave the command.
    pub tag: u64,
    /// The CDB as received, at most 260 bytes.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub cdb: Vec<u8>,
    /// Status code of SAM, such as 02h for CHECK CONDITION.
    pub status: u8,
    /// Its end: whether it was executed, and whether the initiator gets a response.
    #[serde(default)]
    pub outcome: CommandOutcome,
    /// An injected fault ended, delayed or lost the command.
    #[serde(default)]
    pub injected: bool,
    /// Sense data; empty without CHECK CONDITION.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub sense: Vec<u8>,
    /// Data-In bytes that were returned.
    pub bytes_in: u64,
    /// Data-Out bytes that were consumed.
    pub bytes_out: u64,
    /// Position before the command; `None` without a threaded tape.
    pub position_before: Option<TapePosition>,
    /// Position of the tape after the command.
    pub position_after: Option<TapePosition>,
    /// Microseconds from the arrival of the command to the begin of its execution.
    pub queued_us: u64,
    /// Microseconds that its execution took.
    pub run_us: u64,
    /// Microseconds from the end of its execution until its status is due.
    #[serde(default)]
    pub delay_us: u64,
    /// Microseconds that hardware would have taken, if the unit models it ([timing](ssc::timing)).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub modelled_us: u64,
    /// The first bytes of Data-In, if they are recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty", serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub data_in: Vec<u8>,
    /// The first bytes of Data-Out, if they are recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty", serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub data_out: Vec<u8>,
    /// The meaning of the numbers, for programs that do not decode them. It is not read back.
    #[serde(skip_deserializing)]
    pub decoded: Decoded,
}

/// The names of the numbers in a record.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Decoded {
    /// Name of the command; `None` if the unit does not know it.
    pub command: Option<&'static str>,
    /// The fields of the CDB by name, with their values.
    pub fields: Map<String, Value>,
    /// Name of the status, such as GOOD.
    pub status: Option<&'static str>,
    /// Sense data in words; `None` without sense data.
    pub sense: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A name that a trace file of an earlier release does not have.
fn empty() -> Arc<str> {
    "".into()
}

pub(super) fn to_hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Hex(bytes))
}

pub(super) fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let invalid = || serde::de::Error::custom(format!("{text:?} is not a text of pairs of hexadecimal digits"));
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let pairs = digits.ok_or_else(invalid)?;
    let (pairs, rest) = pairs.as_chunks::<2>();
    if rest.is_empty() { Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect()) } else { Err(invalid()) }
}

/// The row of a command in the table of a device type.
fn spec_of(device: DeviceKind, cdb: &[u8]) -> Option<&'static CommandSpec> {
    let cdb = Cdb::new(cdb);
    match device {
        DeviceKind::Drive | DeviceKind::Target => ssc::table::COMMANDS.find(&cdb).ok().map(|row| &row.spec),
        DeviceKind::Changer => smc::table::COMMANDS.find(&cdb).ok().map(|row| &row.spec),
    }
}

impl TraceRecord {
    /// The record with the first `data_len` bytes of the command's data in each direction.
    #[must_use]
    pub fn new(seq: u64, record: &CommandRecord<'_>, data_len: usize) -> Self {
        let head = |data: &[IoSlice<'_>]| {
            DataOut::new(data).window(0, data_len).iter().flat_map(|part| part.to_vec()).collect()
        };
        let count = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        Self {
            seq,
            start: Arc::clone(record.start),
            at_ms: record.at.0,
            target: Arc::clone(&record.names.target),
            unit: Arc::clone(&record.names.unit),
            initiator: Arc::clone(&record.names.initiator),
            nexus: record.nexus.0,
            lun: record.lun,
            tag: record.tag,
            cdb: record.cdb.to_vec(),
            status: record.status.0,
            outcome: record.outcome,
            injected: record.injected,
            sense: record.sense.map(|sense| sense.as_slice().to_vec()).unwrap_or_default(),
            bytes_in: count(record.bytes_in),
            bytes_out: count(record.bytes_out),
            position_before: record.positions.0,
            position_after: record.positions.1,
            queued_us: record.queued_us,
            run_us: record.run_us,
            delay_us: record.delay_us,
            modelled_us: record.modelled_us,
            data_in: head(record.data_in),
            data_out: head(record.data_out),
            decoded: Decoded::default(),
        }
        .decode()
    }

    /// Fills [`Self::decoded`] from the numbers.
    #[must_use]
    pub fn decode(mut self) -> Self {
        let spec = spec_of(self.unit.device, &self.cdb);
        let fields = spec.map_or(&[][..], |spec| spec.fields).iter();
        self.decoded = Decoded {
            command: spec.map(|spec| spec.name),
            fields: fields.map(|field| (json_name(field.name), field.value(&self.cdb).into_json())).collect(),
            status: Status(self.status).name(),
            sense: Sense::decode(&self.sense).map(|sense| sense.to_string()),
        };
        self
    }

    /// Writes the command with its fields. Fields that are zero are left out.
    fn write_command(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(spec) = spec_of(self.unit.device, &self.cdb) else {
            return write!(f, "unknown command {}", Hex(&self.cdb));
        };
        f.write_str(spec.name)?;
        if let Some(action) = spec.service_action {
            write!(f, " SERVICE ACTION={:02x}h", action.0)?;
        }
        for field in spec.fields {
            match field.value(&self.cdb) {
                value if value.is_zero() => {}
                // The standards list pages and other codes by hexadecimal numbers.
                FieldValue::Unsigned(code) if field.name.ends_with("CODE") => write!(f, " {}={code:02x}h", field.name)?,
                value => write!(f, " {}={value}", field.name)?,
            }
        }
        Ok(())
    }

    fn write_positions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.position_before, self.position_after) {
            (Some(before), Some(after)) if before == after => write!(f, ", at {after}"),
            (Some(before), Some(after)) => write!(f, ", {before} to {after}"),
            (None, Some(after)) => write!(f, ", to {after}"),
            (Some(before), None) => write!(f, ", from {before}"),
            (None, None) => Ok(()),
        }
    }
}

/// A field name of the standard as a JSON name: lower case, with underscores.
fn json_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

trait IntoJson {
    fn into_json(self) -> Value;
}

impl IntoJson for FieldValue {
    fn into_json(self) -> Value {
        match self {
            Self::Unsigned(value) => value.into(),
            Self::Signed(value) => value.into(),
        }
    }
}

impl fmt::Display for TapePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {} object {}", self.partition, self.object)
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.library.is_empty() { f.write_str(&self.unit) } else { write!(f, "{}/{}", self.library, self.unit) }
    }
}

/// The time of day in UTC of a time in milliseconds since 1970, such as `14:02:11.480`.
#[must_use]
pub fn time_of_day(at_ms: u64) -> String {
    let ms = at_ms % MS_PER_DAY;
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// One line: time of day (UTC), unit, initiator, command with its fields, transfer, position, status, sense, time.
impl fmt::Display for TraceRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}: ", time_of_day(self.at_ms), self.unit, self.initiator)?;
        self.write_command(f)?;
        for (bytes, name) in [(self.bytes_out, "out"), (self.bytes_in, "in")] {
            if bytes > 0 {
                write!(f, ", {name} {bytes}")?;
            }
        }
        self.write_positions(f)?;
        match Status(self.status).name() {
            _ if self.outcome.has_no_response() => f.write_str(", no response")?,
            Some(name) => write!(f, ", {name}")?,
            None => write!(f, ", status {:02x}h", self.status)?,
        }
        if let Some(sense) = Sense::decode(&self.sense) {
            write!(f, ": {sense}")?;
        }
        if let Some(outcome) = self.outcome.reported_name() {
            write!(f, ", {outcome}")?;
        }
        if self.injected {
            f.write_str(", injected fault")?;
        }
        if self.queued_us > 0 {
            write!(f, ", queued {} us", self.queued_us)?;
        }
        write!(f, ", {} us", self.run_us)?;
        if self.delay_us > 0 {
            write!(f, ", delayed {} us", self.delay_us)?;
        }
        if self.modelled_us > 0 { write!(f, ", modelled {} us", self.modelled_us) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(cdb: &[u8], status: u8, sense: &[u8]) -> TraceRecord {
        let unit = UnitName { library: "main".into(), unit: "drive1".into(), device: DeviceKind::Drive };
        TraceRecord {
            seq: 7,
            start: "5f1c0d2e3a4b5c6d".into(),
            at_ms: 1_795_307_360_042,
            target: "iqn.2026-01.org.example:tape".into(),
            unit: Arc::new(unit),
            initiator: "iqn.2026-01.org.example:host".into(),
            nexus: 3,
            lun: 1,
            tag: 9,
            cdb: cdb.into(),
            status,
            outcome: CommandOutcome::Completed,
            injected: false,
            sense: sense.into(),
            bytes_in: 0,
            bytes_out: 0,
            position_before: None,
            position_after: None,
            queued_us: 0,
            run_us: 82,
            delay_us: 0,
            modelled_us: 0,
            data_in: Vec::new(),
            data_out: Vec::new(),
            decoded: Decoded::default(),
        }
        .decode()
    }

    #[test]
    fn a_line_names_the_command_its_fields_status_and_sense() {
        let at = |object| Some(TapePosition { partition: 0, object });
        let write = TraceRecord {
            bytes_out: 65536,
            position_before: at(12),
            position_after: at(13),
            ..record(&[0x0a, 0, 1, 0, 0, 0], 0, &[])
        };
        assert_eq!(
            write.to_string(),
            "00:29:20.042 main/drive1 iqn.2026-01.org.example:host: WRITE(6) TRANSFER LENGTH=65536, out 65536, \
             partition 0 object 12 to partition 0 object 13, GOOD, 82 us"
        );
        let sense = [0xf0, 0, 0x80, 0, 0, 0, 1, 0x0a, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let space = TraceRecord { queued_us: 5, ..record(&[0x11, 0, 0xff, 0xff, 0xfe, 0], 2, &sense) };
        assert_eq!(
            space.to_string(),
            "00:29:20.042 main/drive1 iqn.2026-01.org.example:host: SPACE(6) COUNT=-2, CHECK CONDITION: NO SENSE \
             00h/01h (Filemark detected), FILEMARK, information 1, queued 5 us, 82 us"
        );
        let line = |record: TraceRecord| record.to_string().split_once(": ").unwrap().1.to_owned();
        let aborted = TraceRecord { outcome: CommandOutcome::Aborted, ..record(&[0x01, 0, 0, 0, 0, 0], 0x40, &[]) };
        assert_eq!(line(aborted), "REWIND, no response, aborted, 82 us");
        let delayed = TraceRecord { injected: true, delay_us: 5000, ..record(&[0x00; 6], 0, &[]) };
        assert_eq!(line(delayed), "TEST UNIT READY, GOOD, injected fault, 82 us, delayed 5000 us");
        let counted = TraceRecord { modelled_us: 4_290_000, ..record(&[0x01, 0, 0, 0, 0, 0], 0, &[]) };
        assert_eq!(line(counted), "REWIND, GOOD, 82 us, modelled 4290000 us");
        let rejected = TraceRecord { outcome: CommandOutcome::Rejected, run_us: 0, ..record(&[0x00; 6], 0x28, &[]) };
        assert_eq!(line(rejected), "TEST UNIT READY, TASK SET FULL, rejected, 0 us");
        let page = record(&[0x12, 1, 0x83, 0, 255, 0], 0, &[]);
        assert_eq!(line(page), "INQUIRY EVPD=1 PAGE CODE=83h ALLOCATION LENGTH=255, GOOD, 82 us");
        let unknown = record(&[0xff, 1, 2], 2, &[]).to_string();
        assert!(unknown.contains(": unknown command ff0102, CHECK CONDITION, 82 us"), "{unknown}");
    }

    #[test]
    fn json_is_read_back() {
        let record = TraceRecord { data_in: vec![0xab, 0x01], ..record(&[0x12, 1, 0x83, 0, 255, 0], 0, &[]) };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(
            text,
            "{\"seq\":7,\"start\":\"5f1c0d2e3a4b5c6d\",\"at_ms\":1795307360042,\
             \"target\":\"iqn.2026-01.org.example:tape\",\"library\":\"main\",\"unit\":\"drive1\",\"device\":\"drive\",\
             \"initiator\":\"iqn.2026-01.org.example:host\",\"nexus\":3,\"lun\":1,\"tag\":9,\"cdb\":\"12018300ff00\",\
             \"status\":0,\"outcome\":\"completed\",\"injected\":false,\"sense\":\"\",\"bytes_in\":0,\"bytes_out\":0,\"position_before\":null,\
             \"position_after\":null,\"queued_us\":0,\"run_us\":82,\"delay_us\":0,\"data_in\":\"ab01\",\"decoded\":{\"command\":\
             \"INQUIRY\",\"fields\":{\"allocation_length\":255,\"evpd\":1,\"page_code\":131},\"status\":\"GOOD\",\
             \"sense\":null}}"
        );
        assert_eq!(serde_json::from_str::<TraceRecord>(&text).unwrap().decode(), record);
        let odd = text.replace("12018300ff00", "123");
        let error = serde_json::from_str::<TraceRecord>(&odd).unwrap_err().to_string();
        assert!(error.starts_with("\"123\" is not a text of pairs of hexadecimal digits"), "{error}");
    }
}
