//! Ring 1: libiscsi's tools from Debian, an independent implementation, against the daemon.

use crate::guest::Daemon;
use crate::shell::{output, print_line};

/// Runs the tools against the daemon of the guest ring and checks their output.
pub(crate) fn run() -> Result<(), String> {
    let daemon = Daemon::start()?;
    let portal = format!("iscsi://{}", daemon.portal);
    let unit = |lun: u8| format!("{portal}/{}/{lun}", daemon.iqn);
    let checks: [(&str, Vec<String>, &[&str]); 6] = [
        ("iscsi-ls", vec![portal.clone()], &[&daemon.iqn]),
        // iscsi-ls retries after 29h/00h, power on, and fails at any other unit attention.
        ("iscsi-ls", vec!["-s".into(), portal.clone()], &["Lun:0", "MEDIA_CHANGER", "Lun:2", "SEQUENTIAL_ACCESS"]),
        ("iscsi-inq", vec![unit(0)], &["MEDIA_CHANGER", "L700"]),
        ("iscsi-inq", vec![unit(1)], &["SEQUENTIAL_ACCESS", "ULT3580-TD8"]),
        (
            "iscsi-inq",
            vec!["-e".into(), "1".into(), "-c".into(), "131".into(), unit(1)],
            &["DEVICE_IDENTIFICATION", &daemon.iqn],
        ),
        ("iscsi-inq", vec!["-e".into(), "1".into(), "-c".into(), "128".into(), unit(2)], &["Unit Serial Number:["]),
    ];
    print_line("\nring 1, libiscsi:");
    for (tool, arguments, wanted) in checks {
        let text = String::from_utf8_lossy(&output(tool, &arguments)?).into_owned();
        if let Some(missing) = wanted.iter().find(|wanted| !text.contains(**wanted)) {
            return Err(format!("{tool} {}: {missing:?} is missing in\n{text}", arguments.join(" ")));
        }
        print_line(&format!("ok    {tool} {}", arguments.join(" ")));
    }
    Ok(())
}
