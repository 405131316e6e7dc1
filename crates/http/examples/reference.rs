//! Prints the page docs/api-reference.md.

fn main() -> std::io::Result<()> {
    std::io::Write::write_all(&mut std::io::stdout(), vtl_http::reference::Reference.to_string().as_bytes())
}
