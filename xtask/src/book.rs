//! The book: docs/ as HTML pages, made by mdBook, and the check of its links and of those of the other pages.

use crate::cargo_tool::MDBOOK;
use crate::guest::workspace;
use crate::shell::{check, file_error, print_line};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Pages outside the book.
const OTHER_PAGES: [&str; 3] = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];

type Outcome<T = ()> = Result<T, String>;

/// Builds the book into `target/book`, and checks that each page is in it and each link leads somewhere.
pub(crate) fn build() -> Outcome {
    let root = workspace();
    let book = root.join("target/book");
    let _ = fs::remove_dir_all(&book);
    check("mdbook", MDBOOK.command()?.arg("build"))?;
    let mut problems = pages_without_chapter(&root)?;
    problems.extend(broken_links_of_book(&book)?);
    for page in OTHER_PAGES {
        problems.extend(broken_links_of_page(&root.join(page))?);
    }
    if problems.is_empty() {
        print_line(&format!("book: {}, no broken link", book.join("index.html").display()));
        return Ok(());
    }
    Err(problems.join("\n"))
}

/// Pages of docs/ that the table of contents does not have.
fn pages_without_chapter(root: &Path) -> Outcome<Vec<String>> {
    let docs = root.join("docs");
    let summary = docs.join("SUMMARY.md");
    let summary = fs::read_to_string(&summary).map_err(file_error(&summary))?;
    let mut missing = Vec::new();
    for page in files(&docs, "md")? {
        let name = page.strip_prefix(&docs).unwrap_or(&page).display().to_string();
        if name != "SUMMARY.md" && !summary.contains(&format!("]({name})")) {
            missing.push(format!("docs/SUMMARY.md: there is no chapter {name}"));
        }
    }
    Ok(missing)
}

/// All files with this extension in a directory and its subdirectories.
fn files(directory: &Path, extension: &str) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(file_error(directory))? {
        let path = entry.map_err(file_error(directory))?.path();
        if path.is_dir() {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The links of the pages of the book that lead to no file, or to no place in it.
fn broken_links_of_book(book: &Path) -> Outcome<Vec<String>> {
    let [link, id] = [r#"<a href="([^"]+)""#, r#" id="([^"]+)""#].map(expression);
    let (link, id) = (link?, id?);
    let mut pages = BTreeMap::new();
    for page in files(book, "html")? {
        let text = fs::read_to_string(&page).map_err(file_error(&page))?;
        pages.insert(page, text);
    }
    let captured = |expression: &Regex, text: &str| {
        expression.captures_iter(text).filter_map(|found| Some(found.get(1)?.as_str().to_owned())).collect()
    };
    let places: BTreeMap<&PathBuf, BTreeSet<String>> =
        pages.iter().map(|(page, text)| (page, captured(&id, text))).collect();
    let mut broken = Vec::new();
    for (page, text) in &pages {
        // Links of this page are relative to the root of the site.
        if page.ends_with("404.html") || page.ends_with("print.html") || page.ends_with("toc.html") {
            continue;
        }
        let links: BTreeSet<String> = captured(&link, text);
        for link in links.iter().filter(|link| !is_external(link)) {
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { resolved(page, file) };
            let is_found = match places.get(&target) {
                Some(places) => place.is_empty() || places.contains(place),
                None => place.is_empty() && target.exists(),
            };
            if !is_found {
                broken.push(format!("{}: {link} leads nowhere", page.strip_prefix(book).unwrap_or(page).display()));
            }
        }
    }
    Ok(broken)
}

/// The links of a Markdown page to files that do not exist.
fn broken_links_of_page(page: &Path) -> Outcome<Vec<String>> {
    let link = expression(r"\]\(([^)#\s]+)")?;
    let text = fs::read_to_string(page).map_err(file_error(page))?;
    let links = link.captures_iter(&text).filter_map(|found| Some(found.get(1)?.as_str()));
    let broken = links.filter(|link| !is_external(link) && !resolved(page, link).exists());
    Ok(broken.map(|link| format!("{}: {link} leads nowhere", page.display())).collect())
}

fn is_external(link: &str) -> bool {
    ["http:", "https:", "mailto:"].iter().any(|scheme| link.starts_with(scheme))
}

/// The file to which a relative link of a page leads.
fn resolved(page: &Path, link: &str) -> PathBuf {
    let mut target = page.parent().unwrap_or(Path::new("")).to_path_buf();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => drop(target.pop()),
            Component::Normal(name) => target.push(name),
            _ => {}
        }
    }
    target
}

fn expression(text: &str) -> Outcome<Regex> {
    Regex::new(text).map_err(|error| error.to_string())
}
