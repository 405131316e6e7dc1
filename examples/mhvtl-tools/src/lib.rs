//! The command lines of mhvtl's tools: its options, its output, its exit codes. What they do, our libraries do.
//!
//! [`Tool::by_name`] finds a tool; one file each.

mod cartridges;
mod device_conf;
mod device_conf_generator;
mod device_nodes;
mod dump_queue;
mod dump_tape;
mod edit_tape;
mod getopt;
mod library_config;
mod library_contents;
mod links;
mod make_media;
mod mktape;
mod preload_tape;
mod tool_error;
mod update_conf;
pub mod vtlcmd;

pub use links::create_links;
pub use tool_error::{ToolError, ToolResult};

use std::io::Write;
use std::path::PathBuf;

/// Where mhvtl's configuration is.
pub const DEFAULT_CONFIG_DIR: &str = "/etc/mhvtl";
/// Where mhvtl keeps cartridges, if nothing else is said.
const DEFAULT_HOME: &str = "/opt/mhvtl";
/// The release of mhvtl whose tools these are like, and what they are.
const VERSION: &str = concat!("1.8.0 (Ferric ", env!("CARGO_PKG_VERSION"), ")");

/// How a tool is called.
#[derive(Clone, Debug)]
pub struct Invocation<'a> {
    /// By which name.
    pub name: &'a str,
    /// With what.
    pub arguments: &'a [String],
    /// The directory of `mhvtl.conf`.
    pub etc: PathBuf,
    /// Seconds since 1970.
    pub now: i64,
}

/// A tool.
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    usage: fn(&str) -> String,
    run: fn(&Invocation<'_>, &mut dyn Write) -> ToolResult,
}

static TOOLS: [Tool; 13] = [
    Tool { name: "vtlcmd", usage: vtlcmd::usage, run: vtlcmd::run },
    Tool { name: "mktape", usage: mktape::usage, run: mktape::run },
    Tool { name: "edit_tape", usage: edit_tape::usage, run: edit_tape::run },
    Tool { name: "dump_tape", usage: dump_tape::usage, run: dump_tape::run },
    Tool { name: "preload_tape", usage: preload_tape::usage, run: preload_tape::run },
    Tool { name: "dump_messageQ", usage: dump_queue::usage, run: dump_queue::run },
    Tool { name: "make_vtl_media", usage: make_media::usage, run: make_media::run },
    Tool { name: "generate_device_conf", usage: device_conf::usage, run: device_conf::run },
    Tool { name: "generate_library_contents", usage: library_contents::usage, run: library_contents::run },
    Tool { name: "mhvtl-device-conf-generator", usage: device_conf_generator::usage, run: device_conf_generator::run },
    Tool { name: "update_device.conf", usage: update_conf::usage, run: update_conf::run },
    Tool { name: "build_library_config", usage: library_config::usage, run: library_config::run },
    Tool { name: "make_vtl_devices", usage: device_nodes::usage, run: device_nodes::run },
];

impl Tool {
    /// All of them.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        TOOLS.iter()
    }

    /// The tool of a name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        TOOLS.iter().find(|tool| tool.name == name)
    }

    /// How it is used.
    #[must_use]
    pub fn usage(&self, call: &Invocation<'_>) -> String {
        (self.usage)(call.name)
    }

    /// Does what it is called for; its output goes to `out`.
    ///
    /// # Errors
    /// What was not done, for the terminal, and the exit code.
    pub fn run(&self, call: &Invocation<'_>, out: &mut dyn Write) -> ToolResult {
        (self.run)(call, out)
    }
}
