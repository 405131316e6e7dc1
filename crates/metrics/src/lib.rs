//! The measurements of a site as text for Prometheus and OpenMetrics.
//!
//! [`METRICS`] is the one table of metrics: name, kind, unit, labels, and the reader that takes the values from
//! [`vtl::metrics::SiteMetrics`]. [`render`] writes all of them, [`documentation`] the table of docs/metrics.md. Labels
//! name libraries, drives, serial numbers and pools; never a barcode, which would make a series for each cartridge.
//!
//! Nothing here is in the path of a command: the units count, and a request reads.
#![forbid(unsafe_code)]

mod render;
mod samples;
mod table;

pub use render::{TextFormat, render};
pub use samples::{Sample, Value};
pub use table::METRICS;

use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use vtl::metrics::SiteMetrics;

/// A metric: a row of the table [`METRICS`].
pub struct Metric {
    /// Name without the suffixes of its unit and kind, such as `ferric_drive_written`.
    pub name: &'static str,
    /// Kind of the metric, which determines its suffixes.
    pub kind: Kind,
    /// Unit of the values; it is a suffix of the name.
    pub unit: Option<BaseUnit>,
    /// One sentence in words, without a full stop.
    pub help: &'static str,
    /// Names of the labels, in the order of the values in a [`Sample`].
    pub labels: &'static [&'static str],
    /// Reads the values of the metric from the measurements.
    pub read: fn(&SiteMetrics) -> Vec<Sample>,
}

/// Kind of a metric (OpenMetrics 1.0): counter, gauge or histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A count that only grows while the daemon runs.
    Counter,
    /// A value that grows and shrinks.
    Gauge,
    /// Counts of values by size, with their sum.
    Histogram,
}

/// Unit of the values of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseUnit {
    /// Bytes, such as of data, memory or file systems.
    Bytes,
    /// Seconds, with fractions down to a microsecond.
    Seconds,
}

impl Metric {
    /// The whole name with the suffixes of unit and kind, such as `ferric_drive_written_bytes_total`.
    #[must_use]
    pub fn full_name(&self) -> String {
        let unit = match self.unit {
            None => "",
            Some(BaseUnit::Bytes) => "_bytes",
            Some(BaseUnit::Seconds) => "_seconds",
        };
        format!("{}{unit}{}", self.name, if self.kind == Kind::Counter { "_total" } else { "" })
    }

    const fn metric_type(&self) -> MetricType {
        match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        }
    }

    fn prometheus_unit(&self) -> Option<Unit> {
        self.unit.map(|unit| match unit {
            BaseUnit::Bytes => Unit::Bytes,
            BaseUnit::Seconds => Unit::Seconds,
        })
    }
}

/// The table of docs/metrics.md: a row of Markdown for each metric.
#[must_use]
pub fn documentation() -> String {
    let mut text = "| metric | kind | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for metric in METRICS {
        let kind = format!("{:?}", metric.kind).to_lowercase();
        let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        text.push_str(&format!("| `{}` | {kind} | {labels} | {} |\n", metric.full_name(), metric.help));
    }
    text
}
