//! `ferric metrics`: prints the measurements of the site for Prometheus.

use super::client::Client;
use super::command::MetricsArgs;
use crate::cli_error::CliError;
use crate::options::Options;
use metrics::{TextFormat, render};
use std::io::{self, Write};
use vtl::control::ControlRequest as Request;
use vtl::metrics::SiteMetrics;

pub(super) fn run(options: &Options, arguments: &MetricsArgs) -> Result<(), CliError> {
    let site: SiteMetrics = Client::connect(options)?.request_as(&Request::Metrics)?;
    let format = if arguments.openmetrics { TextFormat::OpenMetrics } else { TextFormat::Prometheus };
    options.output.show(&site, |site| Ok(write!(io::stdout(), "{}", render(site.clone(), format))?))
}
