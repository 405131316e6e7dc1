//! `ferric counters`: prints how many commands each unit has executed, and how long they took.

use super::client::Client;
use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::{format_count, format_size, print_line};
use vtl::control::{ControlRequest as Request, UnitCommandCounters};
use vtl::observer::HistogramCounts;

/// The least power of two, in microseconds, below which the given per mille of all values are.
fn quantile(counts: &HistogramCounts, per_mille: u64) -> u64 {
    let total: u64 = counts.buckets.iter().sum();
    let wanted = (total * per_mille).div_ceil(1000);
    let mut seen = 0;
    for (bucket, count) in (0..63).zip(&counts.buckets) {
        seen += count;
        if seen >= wanted {
            return 1 << bucket;
        }
    }
    u64::MAX
}

pub(super) fn run(options: &Options) -> Result<(), CliError> {
    let request = Request::Counters { library: options.library.clone() };
    let units: Vec<UnitCommandCounters> = Client::connect(options)?.request_as(&request)?;
    options.output.show(units.as_slice(), print)
}

fn print(units: &[UnitCommandCounters]) -> Result<(), CliError> {
    for UnitCommandCounters { unit, counters } in units {
        let sum = |count: fn(&vtl::observer::CommandCount) -> u64| counters.commands.iter().map(count).sum::<u64>();
        let (good, failed) = (sum(|count| count.good), sum(|count| count.check_condition));
        let other = sum(|count| count.reservation_conflict + count.other);
        let (read, written) = (format_size(counters.bytes_in), format_size(counters.bytes_out));
        let commands = format_count(good + failed + other, "command");
        print_line(format!("{unit}: {commands}, {failed} with CHECK CONDITION, {read} returned, {written} received"))?;
        if good + failed + other > 0 {
            let (half, most) = (quantile(&counters.run_us, 500), quantile(&counters.run_us, 990));
            print_line(format!("  execution time: half below {half} us, 99 % below {most} us"))?;
        }
        for sense in &counters.sense {
            print_line(format!("  {:>8} x {sense}", sense.count))?;
        }
    }
    Ok(())
}
