//! mhvtl's command-line tools with its options, output and exit codes, implemented with Ferric's crates.
//!
//! [`Tool::by_name`] finds a tool. Each tool has its own module.

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
pub mod program;
mod tool_error;
mod update_conf;
pub mod vtlcmd;

pub use links::create_links;
pub use tool_error::{ToolError, ToolResult};

use std::io::Write;
use std::path::PathBuf;

/// Default directory of mhvtl's configuration.
pub const DEFAULT_CONFIG_DIR: &str = "/etc/mhvtl";
/// mhvtl's default home directory for cartridges.
const DEFAULT_HOME: &str = "/opt/mhvtl";
/// Version text of the tools: the release of mhvtl that they match, and Ferric's version.
const VERSION: &str = concat!("1.8.0 (Ferric ", env!("CARGO_PKG_VERSION"), ")");

/// One call of a tool.
#[derive(Clone, Debug)]
pub struct Invocation<'a> {
    /// Name by which the tool is called.
    pub name: &'a str,
    /// Arguments after the name of the tool.
    pub arguments: &'a [String],
    /// Directory that holds `mhvtl.conf`, usually `/etc/mhvtl`.
    pub etc: PathBuf,
    /// Current time in seconds since 1970.
    pub now: i64,
}

/// One of mhvtl's command-line tools.
pub struct Tool {
    /// Name of the tool, such as `mktape`.
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
    /// Returns an iterator over all tools.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        TOOLS.iter()
    }

    /// Finds a tool by its name; `None` for an unknown name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        TOOLS.iter().find(|tool| tool.name == name)
    }

    /// The usage text of the tool, with the name by which it is called.
    #[must_use]
    pub fn usage(&self, call: &Invocation<'_>) -> String {
        (self.usage)(call.name)
    }

    /// Runs the tool and writes its output to `out`.
    ///
    /// # Errors
    /// The message for standard error and the exit code.
    pub fn run(&self, call: &Invocation<'_>, out: &mut dyn Write) -> ToolResult {
        (self.run)(call, out)
    }
}
