//! `dump_messageQ`: removes all messages from mhvtl's queue and prints them.

use crate::{Invocation, ToolError, ToolResult, VERSION};
use mhvtl_lld::queue::{Message, Queue, Received};
use std::io::{self, Write};

pub(crate) fn usage(name: &str) -> String {
    format!(
        "Usage  : {name} [-h|-help]
Version: {VERSION}

Remove all messages from the queue of libraries and drives and print them.
"
    )
}

pub(crate) fn run(call: &Invocation<'_>, out: &mut dyn Write) -> ToolResult {
    if let Some(word) = call.arguments.first() {
        let helps = call.arguments.iter().any(|word| ["-h", "-?", "/h", "/?", "-help"].contains(&word.as_str()));
        return Err(ToolError::usage(if helps { String::new() } else { format!("Invalid option: {word}") }));
    }
    match Queue::open_existing() {
        Ok(queue) => dump(&queue, out),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(writeln!(out, "Message queue empty")?),
        Err(error) => Err(ToolError::new(format!("error: message queue: {error}"))),
    }
}

fn dump(queue: &Queue, out: &mut dyn Write) -> ToolResult {
    let queue_error = |error: io::Error| ToolError::new(format!("error: message queue: {error}"));
    for number in 1.. {
        let Some((receiver, received)) = queue.receive_any().map_err(queue_error)? else {
            return if number == 1 { Ok(writeln!(out, "Message queue empty")?) } else { Ok(()) };
        };
        if number == 1 {
            writeln!(out, "\nDump Message Queue Content\n")?;
            writeln!(out, "{:>6} {:>6} {:>6} {:<55}", "MessNo", "RcvID", "SndID", "MessageText")?;
        }
        let (sender, text) = match received {
            Received::Message(Message { sender, text }) => (sender.to_string(), text),
            Received::Malformed(reason) => ("?".into(), format!("({reason})")),
        };
        writeln!(out, "{number:>6} {receiver:>6} {sender:>6} {text:<55}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mhvtl_lld::queue::TOOL_ID;

    #[test]
    fn all_messages_are_printed() {
        let queue = Queue::open_private().unwrap();
        let dumped = |queue: &Queue| {
            let mut out = Vec::new();
            dump(queue, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        queue.send(11, TOOL_ID, "load X ").unwrap();
        queue.send(10, 11, "eject").unwrap();
        let text = dumped(&queue);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(
            lines,
            [
                "",
                "Dump Message Queue Content",
                "",
                "MessNo  RcvID  SndID MessageText",
                "     1     11  32768 load X",
                "     2     10     11 eject"
            ]
        );
        assert_eq!(dumped(&queue), "Message queue empty\n");
        queue.remove().unwrap();
    }
}
