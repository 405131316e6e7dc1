//! Prints the OpenAPI document, as docs/openapi.json has it.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    serde_json::to_writer_pretty(std::io::stdout(), &vtl_http::openapi::document())?;
    std::io::Write::write_all(&mut std::io::stdout(), b"\n")?;
    Ok(())
}
