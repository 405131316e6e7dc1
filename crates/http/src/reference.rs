//! The page docs/api-reference.md: every request of the API with its members, made from the table of routes.

use crate::routes::{self, Kind, Member, Route};
use std::fmt::{self, Display, Formatter};

/// First lines of the page.
const HEAD: &str = "# Requests of the HTTP API

This page is made from the same table as [openapi.json](openapi.json), which also has the members of the responses. [api.md](api.md)
says how requests are made. A member in *italics* is optional.
";

/// The page `docs/api-reference.md` with all routes. Its `Display` is Markdown.
pub struct Reference;

impl Display for Reference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        routes::all().try_for_each(|route| write_route(f, route))
    }
}

fn write_route(f: &mut Formatter<'_>, route: &Route) -> fmt::Result {
    write!(f, "\n## {} {}\n\n{}. ", route.method.name(), route.path, route.summary)?;
    match route.role {
        Some(role) => write!(f, "Role: {role}.")?,
        None => f.write_str("Every client may send it.")?,
    }
    if !route.op.is_empty() {
        write!(f, " Control request: `{}`.", route.op)?;
    }
    if !route.response.is_empty() {
        write!(f, " Response: `{}`.", route.response)?;
    }
    f.write_str("\n")?;
    let in_path: Vec<Member> = route.path_members().map(routes::in_path).collect();
    let places = [("path", in_path.as_slice()), ("query", route.query), ("body", route.body)];
    if places.iter().all(|(_, members)| members.is_empty()) {
        return Ok(());
    }
    f.write_str("\n| member | in | value | meaning |\n|---|---|---|---|\n")?;
    for (place, members) in places {
        members.iter().try_for_each(|member| write_member(f, place, member))?;
    }
    Ok(())
}

fn write_member(f: &mut Formatter<'_>, place: &str, member: &Member) -> fmt::Result {
    let Member { name, required, doc, .. } = member;
    let mark = if *required { "" } else { "*" };
    writeln!(f, "| {mark}`{name}`{mark} | {place} | {} | {} |", Value(member.kind), doc.replace('|', "\\|"))
}

/// The values of a member in words.
struct Value(Kind);

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Text => f.write_str("text"),
            Kind::LongText(most) => write!(f, "text of at most {most} characters"),
            Kind::Number(least, u64::MAX) => write!(f, "number from {least}"),
            Kind::Number(least, most) => write!(f, "number, {least} to {most}"),
            Kind::Texts(most) => write!(f, "list of 1 to {most} texts"),
            Kind::Flag => f.write_str("`true` or `false`"),
            Kind::Words(words) => write_words(f, words),
            Kind::WordsOrNull(words) => {
                write_words(f, words)?;
                f.write_str(" or `null`")
            }
        }
    }
}

fn write_words(f: &mut Formatter<'_>, words: &[&str]) -> fmt::Result {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    f.write_str(&words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cargo run -p vtl-http --example reference > docs/api-reference.md` writes the file.
    #[test]
    fn the_committed_page_is_that_of_the_routes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api-reference.md");
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(committed == Reference.to_string(), "docs/api-reference.md is not up to date");
    }

    #[test]
    fn requests_have_their_members() {
        let page = Reference.to_string();
        let (_, rest) = page.split_once("\n## PATCH /v1/drives/{drive}\n").unwrap();
        let section = rest.split("\n## ").next().unwrap();
        assert!(section.contains("Role: operate. Control request: `online`."), "{section}");
        assert!(section.contains("\n| `online` | body | `true` or `false` |"), "{section}");
        assert!(section.contains("\n| *`library`* | query | text |"), "{section}");
    }
}
