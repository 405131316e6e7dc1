//! The values that the readers of the table return.

use vtl::metrics::{DriveMetrics, LibraryMetrics, PortalCounters, SiteMetrics, UnitMetrics};
use vtl::notifications::NotifyStatus;
use vtl::observer::HistogramCounts;
use vtl::shelf_status::{ReplicaStatus, ShelfStatus};

/// One value of a metric, with the values of its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Values of the labels, in the order of [`Metric::labels`](crate::Metric::labels).
    pub labels: Vec<String>,
    /// The value of this combination of labels.
    pub value: Value,
}

/// The value of a sample: a number, or the counts of durations or sizes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A count, a number of bytes, or a truth value as 0 or 1.
    Number(u64),
    /// Durations in microseconds: values below 1, below 2, below 4, and so on. They are rendered in seconds.
    Durations(HistogramCounts),
    /// Sizes in bytes: up to 1, up to 2, up to 4, and so on.
    Sizes(HistogramCounts),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Number(value.into())
    }
}

/// A value without labels.
pub(crate) fn one(value: impl Into<Value>) -> Vec<Sample> {
    vec![Sample { labels: Vec::new(), value: value.into() }]
}

/// A value with these labels.
pub(crate) fn labelled<const N: usize>(labels: [&str; N], value: impl Into<Value>) -> Sample {
    Sample { labels: labels.map(str::to_owned).to_vec(), value: value.into() }
}

/// Values of one unit, each with the labels beyond those of the unit.
type UnitValues = Vec<(Vec<String>, Value)>;

/// One value for each drive.
pub(crate) fn drive<T: Into<Value>>(site: &SiteMetrics, value: impl Fn(&DriveMetrics) -> T) -> Vec<Sample> {
    drives(site, |drive| vec![(Vec::new(), value(drive).into())])
}

/// One value for each shelf on object storage.
pub(crate) fn shelf<T: Into<Value>>(site: &SiteMetrics, value: impl Fn(&ShelfStatus) -> T) -> Vec<Sample> {
    site.shelves.iter().map(|shelf| labelled([&shelf.shelf], value(shelf))).collect()
}

/// One value for each replica of a shelf on object storage.
pub(crate) fn replica(site: &SiteMetrics, value: impl Fn(&ReplicaStatus) -> u64) -> Vec<Sample> {
    let of = |shelf: &ShelfStatus| {
        let replicas = shelf.replica.iter().chain(&shelf.pool_replicas);
        replicas.map(|replica| labelled([&shelf.shelf, &replica.shelf], value(replica))).collect::<Vec<_>>()
    };
    site.shelves.iter().flat_map(of).collect()
}

/// Values for each drive.
pub(crate) fn drives(site: &SiteMetrics, values: impl Fn(&DriveMetrics) -> UnitValues) -> Vec<Sample> {
    let mut samples = Vec::new();
    for library in &site.libraries {
        for drive in &library.drives {
            let own = [&library.name, &drive.name, &drive.unit.serial].map(Clone::clone);
            samples.extend(values(drive).into_iter().map(|(more, value)| sample(own.as_slice(), more, value)));
        }
    }
    samples
}

/// One value for each changer.
pub(crate) fn changer<T: Into<Value>>(site: &SiteMetrics, value: impl Fn(&UnitMetrics) -> T) -> Vec<Sample> {
    changers(site, |library| vec![(Vec::new(), value(&library.changer).into())])
}

/// Values for each changer, from its library.
pub(crate) fn changers(site: &SiteMetrics, values: impl Fn(&LibraryMetrics) -> UnitValues) -> Vec<Sample> {
    let mut samples = Vec::new();
    for library in &site.libraries {
        let own = [library.name.clone(), library.changer.serial.clone()];
        samples.extend(values(library).into_iter().map(|(more, value)| sample(own.as_slice(), more, value)));
    }
    samples
}

/// One value for each iSCSI portal.
pub(crate) fn portal(site: &SiteMetrics, value: impl Fn(&PortalCounters) -> u64) -> Vec<Sample> {
    let portals = site.portals.iter();
    portals.map(|portal| labelled([&portal.address.to_string()], value(&portal.counters))).collect()
}

/// One value for each notification target.
pub(crate) fn notify(site: &SiteMetrics, value: impl Fn(&NotifyStatus) -> u64) -> Vec<Sample> {
    site.notify.iter().map(|target| labelled([&target.target], value(target))).collect()
}

fn sample(own: &[String], more: Vec<String>, value: Value) -> Sample {
    Sample { labels: own.iter().cloned().chain(more).collect(), value }
}

/// Commands of a unit by operation code and status.
pub(crate) fn commands(unit: &UnitMetrics) -> UnitValues {
    let mut values = Vec::new();
    for count in &unit.commands.commands {
        let by_status = [
            ("good", count.good),
            ("check_condition", count.check_condition),
            ("reservation_conflict", count.reservation_conflict),
            ("other", count.other),
        ];
        let opcode = format!("{:02x}", count.opcode);
        values.extend(by_status.map(|(status, number)| (vec![opcode.clone(), status.to_owned()], number.into())));
    }
    values
}

/// Commands of a unit by sense code.
pub(crate) fn sense(unit: &UnitMetrics) -> UnitValues {
    let codes = unit.commands.sense.iter();
    codes
        .map(|sense| {
            let hex = |byte: u8| format!("{byte:02x}");
            (vec![format!("{:x}", sense.key), hex(sense.asc), hex(sense.ascq)], sense.count.into())
        })
        .collect()
}

/// Raised TapeAlert flags of a unit.
pub(crate) fn alerts(unit: &UnitMetrics) -> UnitValues {
    unit.alerts.iter().map(|(flag, name)| (vec![flag.to_string(), name.clone()], true.into())).collect()
}
