//! `ferric shelf cost`

use super::{Address, OpenShelf, shelf_error};
use crate::cli_error::CliError;
use crate::output::{self, Output};
use serde::Serialize;
use shelf::Usage;

/// Bytes of a terabyte.
const TB: f64 = 1e12;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: Address,
    /// Price of a gigabyte for a month
    #[arg(long, value_name = "PRICE", default_value_t = 0.023)]
    storage_price: f64,
    /// Price of 1,000 requests that write or list
    #[arg(long, value_name = "PRICE", default_value_t = 0.005)]
    write_price: f64,
    /// Price of 1,000 requests that read
    #[arg(long, value_name = "PRICE", default_value_t = 0.0004)]
    read_price: f64,
}

/// The cost of a shelf. Prices are in the currency of the given ones.
#[derive(Serialize)]
struct Report {
    cartridges: u64,
    objects: u64,
    stored_bytes: u64,
    /// Bytes of the files of the cartridges: the rest is garbage, checksums, manifests and leases.
    used_bytes: u64,
    storage_per_month: f64,
    /// Requests for each terabyte of files, counted from the objects.
    write_requests_per_tb: u64,
    write_cost_per_tb: f64,
    read_requests_per_tb: u64,
    read_cost_per_tb: f64,
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cost is rounded"
)]
fn report(usage: &Usage, arguments: &Arguments) -> Report {
    let per_tb = |requests: u64| match usage.used_bytes {
        0 => 0,
        bytes => (requests as f64 * TB / bytes as f64).round() as u64,
    };
    let (write_requests_per_tb, read_requests_per_tb) = (per_tb(usage.write_requests()), per_tb(usage.read_requests()));
    let cost = |requests: u64, price: f64| requests as f64 / 1000.0 * price;
    Report {
        cartridges: usage.cartridges,
        objects: usage.objects,
        stored_bytes: usage.stored_bytes,
        used_bytes: usage.used_bytes,
        storage_per_month: usage.stored_bytes as f64 / 1e9 * arguments.storage_price,
        write_requests_per_tb,
        write_cost_per_tb: cost(write_requests_per_tb, arguments.write_price),
        read_requests_per_tb,
        read_cost_per_tb: cost(read_requests_per_tb, arguments.read_price),
    }
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let open = OpenShelf::open(&arguments.address.url)?;
    let usage = open.runtime.block_on(open.shelf.usage()).map_err(shelf_error)?;
    output.show(&report(&usage, arguments), print)
}

fn print(report: &Report) -> Result<(), CliError> {
    let (stored, used) = (output::format_size(report.stored_bytes), output::format_size(report.used_bytes));
    let (cartridges, objects) =
        (output::format_count(report.cartridges, "cartridge"), output::format_count(report.objects, "object"));
    output::print_line(format!("{cartridges}, {objects}, {stored} stored, {used} of files"))?;
    output::print_line(format!("storage: {:.2} a month", report.storage_per_month))?;
    for (what, requests, cost) in [
        ("write", report.write_requests_per_tb, report.write_cost_per_tb),
        ("read", report.read_requests_per_tb, report.read_cost_per_tb),
    ] {
        output::print_line(format!("to {what} 1 TB: {requests} requests, {cost:.2}"))?;
    }
    Ok(())
}
