//! The progress of a request that creates many cartridges, as a bar on a terminal.

use super::client::Client;
use crate::cli_error::CliError;
use crate::output::{CARTRIDGES, Output};
use serde_json::Value;
use std::thread;
use vtl::control::ControlRequest as Request;

/// One request and its answer. While a request creates cartridges, a bar counts the events of a second connection.
pub(super) fn request(output: Output, client: &mut Client, request: &Request) -> Result<Value, CliError> {
    let Request::Create { count, .. } = request else { return client.request(request) };
    let bar = output.progress_bar(u64::try_from(*count).ok(), CARTRIDGES);
    if bar.is_hidden() {
        return client.request(request);
    }
    // Without the second connection there is no bar, and the request is executed as usual.
    let Ok((mut events, closer)) = client.second_connection() else { return client.request(request) };
    let answer = thread::scope(|scope| {
        scope.spawn(|| {
            events.subscribe(
                None,
                |_| Ok(()),
                |event| {
                    bar.inc(u64::from(is_creation(event)));
                    Ok(())
                },
            )
        });
        let answer = client.request(request);
        let _ = closer.shutdown(std::net::Shutdown::Both);
        answer
    });
    bar.finish_and_clear();
    answer
}

fn is_creation(event: &Value) -> bool {
    event.get("event").and_then(Value::as_str) == Some("created")
}
