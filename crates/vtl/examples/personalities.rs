//! Prints the page docs/personalities.md.

fn main() -> std::io::Result<()> {
    std::io::Write::write_all(&mut std::io::stdout(), vtl::model_sources::page().as_bytes())
}
