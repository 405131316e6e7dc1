//! The text of a site that a host has used, the files in dist/, and docs/metrics.md.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use metrics::{Kind, METRICS, TextFormat, documentation, render};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use vtl::Library;
use vtl::host::Host;
use vtl::metrics::SiteMetrics;
use vtl::site::OpenSite;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A site whose host has written three records of 1000 bytes and a filemark; TapeAlert flag 3 of the drive is raised.
fn used_site(directory: &Path) -> (OpenSite, SiteMetrics) {
    let builder = Library::builder().slots(4).drives("ULT3580-TD8", 1).cartridges("A#####L8", 2, "64MB");
    let site = builder.data_dir(directory).open().unwrap();
    for request in
        [r#"{"op":"load","cartridge":"A00001L8"}"#, r#"{"op":"alert","flag":3,"raised":true,"drive":"drive1"}"#]
    {
        site.control(&serde_json::from_str(request).unwrap()).unwrap();
    }
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    for _ in 0..3 {
        host.write(1, &[0; 1000]).unwrap();
    }
    host.write_filemarks(1, 1).unwrap();
    let metrics = site.metrics();
    (site, metrics)
}

fn has_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|other| other == *line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn openmetrics_text_of_a_used_site() {
    let directory = tempfile::tempdir().unwrap();
    let (_site, mut metrics) = used_site(directory.path());
    metrics.libraries[0].drives[0].unit.serial = "S1".into();
    let text = render(metrics.clone(), TextFormat::OpenMetrics);
    let drive = r#"{library="main",drive="drive1",serial="S1""#;
    let bucket = |le: &str, count| {
        let labels = format!("le=\"{le}\",{}", &drive[1..]);
        format!("ferric_drive_written_record_size_bytes_bucket{{{labels}}} {count}")
    };
    has_lines(
        &text,
        &[
            "# HELP ferric_drive_written_bytes Bytes of the records that hosts have written",
            "# TYPE ferric_drive_written_bytes counter",
            "# UNIT ferric_drive_written_bytes bytes",
            &format!("ferric_drive_written_bytes_total{drive}}} 3000"),
            &format!("ferric_drive_written_filemarks_total{drive}}} 1"),
            &format!("ferric_drive_written_record_size_bytes_count{drive}}} 3"),
            &format!("ferric_drive_written_record_size_bytes_sum{drive}}} 3000.0"),
            &bucket("512.0", 0),
            &bucket("1024.0", 3),
            &bucket("+Inf", 3),
            &format!("ferric_drive_commands_total{drive},opcode=\"0a\",status=\"good\"}} 3"),
            &format!("ferric_drive_commands_total{drive},opcode=\"0a\",status=\"check_condition\"}} 0"),
            &format!("ferric_drive_position_object{drive}}} 4"),
            &format!("ferric_drive_tapealert{drive},flag=\"3\",name=\"Hard error\"}} 1"),
            &format!("ferric_drive_loads_total{drive}}} 1"),
            "ferric_library_elements{library=\"main\",element=\"slot\",state=\"full\"} 1",
            "ferric_cartridges{library=\"main\",pool=\"\",state=\"blank\"} 1",
            "# EOF",
        ],
    );
    // A label of a cartridge would make a series for each cartridge.
    assert!(!text.contains("A00001L8") && !text.contains("A00002L8"));
    assert_eq!(
        TextFormat::accepted("application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1"),
        TextFormat::OpenMetrics
    );
    assert_eq!(TextFormat::accepted("text/plain;version=0.0.4"), TextFormat::Prometheus);
    let classic = render(metrics, TextFormat::Prometheus);
    has_lines(
        &classic,
        &[
            "# TYPE ferric_drive_written_bytes_total counter",
            &format!("ferric_drive_written_bytes_total{drive}}} 3000"),
            "# TYPE ferric_storage_sync_seconds histogram",
        ],
    );
    assert!(!classic.contains("# EOF") && !classic.contains("# UNIT"));
}

#[test]
fn rows_of_the_table_are_consistent() {
    let directory = tempfile::tempdir().unwrap();
    let (_site, metrics) = used_site(directory.path());
    let mut names = BTreeSet::new();
    for metric in METRICS {
        assert!(names.insert(metric.full_name()), "{} is there twice", metric.name);
        assert!(!metric.help.ends_with('.') && metric.help.len() > 10, "{}", metric.name);
        let has_histogram = |sample: &metrics::Sample| !matches!(sample.value, metrics::Value::Number(_));
        for sample in (metric.read)(&metrics) {
            assert_eq!(sample.labels.len(), metric.labels.len(), "{}", metric.name);
            assert_eq!(has_histogram(&sample), metric.kind == Kind::Histogram, "{}", metric.name);
        }
    }
    assert!(names.len() > 40);
}

#[test]
fn documentation_has_the_table() {
    let path = workspace().join("docs/metrics.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- table -->\n").unwrap();
    let (table, after) = rest.split_once("<!-- end of table -->\n").unwrap();
    if std::env::var_os("FERRIC_UPDATE_DOCS").is_some() {
        let new = format!("{before}<!-- table -->\n{}<!-- end of table -->\n{after}", documentation());
        return fs::write(&path, new).unwrap();
    }
    assert_eq!(table, documentation(), "to update it: FERRIC_UPDATE_DOCS=1 cargo test -p metrics documentation");
}

/// The metrics that a text in PromQL names.
fn used_names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("ferric_")).map(str::to_owned).collect()
}

#[test]
fn rules_and_dashboard_use_metrics_that_exist() {
    let known: BTreeSet<String> = METRICS.iter().map(|metric| metric.full_name()).collect();
    for file in ["dist/prometheus/ferric.rules.yml", "dist/grafana/ferric.json"] {
        let text = fs::read_to_string(workspace().join(file)).unwrap();
        let used = used_names(&text);
        assert!(used.len() > 5, "{file}");
        for name in used {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            assert!(known.contains(base.unwrap_or(&name)), "{file}: there is no metric {name}");
        }
    }
    let dashboard = fs::read_to_string(workspace().join("dist/grafana/ferric.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 10);
}

/// Runs `promtool check`, which Debian's package prometheus has.
fn promtool(arguments: &[&str], input: &str) {
    let mut command = Command::new("promtool");
    command.arg("check").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("promtool: {error}; apt-get install prometheus"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "promtool check {arguments:?}: {text}");
}

#[test]
fn promtool_accepts_metrics_and_rules() {
    let directory = tempfile::tempdir().unwrap();
    let (_site, metrics) = used_site(directory.path());
    promtool(&["metrics"], &render(metrics, TextFormat::Prometheus));
    promtool(&["rules", workspace().join("dist/prometheus/ferric.rules.yml").to_str().unwrap()], "");
}
