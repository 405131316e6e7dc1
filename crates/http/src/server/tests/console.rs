use super::*;

/// The values of `src` and `href` in the page, such as `/console.js?346fd9fea1293f44`.
fn files_of(page: &str) -> Vec<&str> {
    page.split('"').filter(|text| text.starts_with('/') && text.contains('?')).collect()
}

#[test]
fn the_console_is_served_with_its_types_and_a_strict_policy() {
    let served = serve(SITE);
    let page = served.get("/");
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert!(!page.body.contains("http://") && !page.body.contains("https://"), "the page names another server");
    let text = page.body.as_str();
    let files = files_of(text);
    assert_eq!(files.len(), 3, "{files:?}");
    for (file, content_type) in
        files.iter().zip(["image/svg+xml", "text/css; charset=utf-8", "text/javascript; charset=utf-8"])
    {
        let response = served.get(file);
        assert_eq!(response.header("content-type"), Some(content_type), "{file}");
        assert_eq!(response.header("cache-control"), Some("public, max-age=31536000, immutable"), "{file}");
        let etag = response.header("etag").unwrap();
        assert_eq!(etag, format!("\"{}\"", file.split_once('?').unwrap().1), "{file}");
        let known = served.client().send("GET", file, &[("If-None-Match", etag)], None);
        assert_eq!((known.status, known.body.len()), (304, 0), "{file}");
    }
}

#[test]
fn a_console_of_another_release_gets_the_present_files_without_their_being_kept() {
    let served = serve(SITE);
    let response = served.get("/console.js?0123456789abcdef");
    assert_eq!((response.status, response.header("cache-control")), (200, Some("no-cache")));
    assert_eq!(served.send("POST", "/", "{}").status, 405);
    assert_eq!(served.get("/../console.js").status, 404);
}
