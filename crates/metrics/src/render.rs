//! Writes the metrics as text.

use crate::{METRICS, Metric, Value};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::registry::Registry;
use std::fmt;
use vtl::metrics::SiteMetrics;
use vtl::observer::HistogramCounts;

/// The format of the text in which metrics are rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// OpenMetrics 1.0, which Prometheus requests when it scrapes a server.
    OpenMetrics,
    /// Prometheus' text format 0.0.4, which the textfile collector of node_exporter and `promtool check metrics` read.
    Prometheus,
}

impl TextFormat {
    /// The value of the HTTP header Content-Type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The format that a scraper accepts, from the value of the HTTP header Accept.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }
}

/// All metrics of a site as text.
#[must_use]
pub fn render(site: SiteMetrics, format: TextFormat) -> String {
    let (mut registry, mut text) = (Registry::default(), String::new());
    registry.register_collector(Box::new(SiteCollector(site)));
    let written = match format {
        TextFormat::OpenMetrics => text::encode(&mut text, &registry),
        TextFormat::Prometheus => prometheus_text::encode(&mut text, &registry),
    };
    // A String accepts every write.
    written.map(|()| text).unwrap_or_default()
}

#[derive(Debug)]
struct SiteCollector(SiteMetrics);

impl Collector for SiteCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        METRICS.iter().try_for_each(|metric| encode_metric(metric, &self.0, &mut encoder))
    }
}

fn encode_metric(metric: &Metric, site: &SiteMetrics, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let unit = metric.prometheus_unit();
    let mut family = encoder.encode_descriptor(metric.name, metric.help, unit.as_ref(), metric.metric_type())?;
    for sample in (metric.read)(site) {
        let labels: Vec<(&str, &str)> =
            metric.labels.iter().copied().zip(sample.labels.iter().map(String::as_str)).collect();
        if labels.is_empty() {
            encode_value(metric, &sample.value, &mut family)?;
        } else {
            encode_value(metric, &sample.value, &mut family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn encode_value(metric: &Metric, value: &Value, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
    match value {
        Value::Number(number) if metric.kind == crate::Kind::Counter => {
            encoder.encode_counter::<NoLabelSet, u64, u64>(number, None)
        }
        Value::Number(number) => encoder.encode_gauge(number),
        // From 8 us to 134 s.
        Value::Durations(counts) => encode_histogram(encoder, counts, 3..=27, 1e-6),
        // From 512 bytes to 16 MiB.
        Value::Sizes(counts) => encode_histogram(encoder, counts, 9..=24, 1.0),
    }
}

/// Writes a histogram whose buckets end at the powers of two in `exponents`, each multiplied by `scale`.
fn encode_histogram(
    encoder: &mut MetricEncoder<'_>,
    counts: &HistogramCounts,
    exponents: std::ops::RangeInclusive<usize>,
    scale: f64,
) -> fmt::Result {
    let mut counted = 0;
    let below = |exponent: usize| counts.buckets.iter().take(exponent + 1).sum::<u64>();
    let total = counts.buckets.iter().sum::<u64>();
    let mut buckets = Vec::new();
    for exponent in exponents {
        let all = below(exponent);
        buckets.push((float(1 << exponent) * scale, all - counted));
        counted = all;
    }
    buckets.push((f64::INFINITY, total - counted));
    encoder.encode_histogram::<NoLabelSet>(float(counts.sum) * scale, total, &buckets, None)
}

/// A number as a float, which is exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "the formats have floats only")]
const fn float(number: u64) -> f64 {
    number as f64
}
