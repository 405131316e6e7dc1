use crate::config::parse;

const WEBHOOK: &str = "[[notify]]\nname = \"o\"\nurl = \"https://a.example/x\"\n";
const MAIL: &str =
    "[[notify]]\nname = \"o\"\nsmtp = \"a.example:25\"\nmail_from = \"a@b.example\"\nmail_to = [\"c@d.example\"]\n";
const PROGRAM: &str = "[[notify]]\nname = \"o\"\ncommand = [\"/bin/x\"]\n";

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn errors_name_line_key_and_what_is_expected() {
    for (text, line, key, message) in [
        ("[[notify]]\nurl = \"https://a\"\n".into(), 1, "notify.name", "is required"),
        ("[[notify]]\nname = \"A\"\n".into(), 2, "notify.name", "\"A\" is not a name: 1 to 32 of a-z, 0-9, - and _"),
        (format!("{WEBHOOK}{PROGRAM}"), 5, "notify.name", "there are two targets \"o\""),
        (
            "[[notify]]\nname = \"o\"\n".into(),
            1,
            "notify",
            "a target has either url (a webhook), smtp (e-mail) or command (a program)",
        ),
        (
            format!("{WEBHOOK}command = [\"/bin/x\"]\n"),
            1,
            "notify",
            "a target has either url (a webhook), smtp (e-mail) or command (a program)",
        ),
        (
            format!("{WEBHOOK}events = [\"warn\", \"crash\"]\n"),
            4,
            "notify.events",
            "\"crash\" is neither a level (info, warn, error) nor an event: started, stopped",
        ),
        (
            format!("{WEBHOOK}libraries = [\"x\"]\n"),
            4,
            "notify.libraries",
            "there is no library \"x\"; the file has \"main\"",
        ),
        (
            format!("{WEBHOOK}retry_seconds = 0\n"),
            4,
            "notify.retry_seconds",
            "0 is not a time in seconds; expected at least 1",
        ),
        (format!("{WEBHOOK}timeout_seconds = 0\n"), 4, "notify.timeout_seconds", "0 is not a time in seconds"),
        (
            format!("{WEBHOOK}secret = \"0123456789abcde\"\n"),
            4,
            "notify.secret",
            "a secret of a webhook has at least 16 characters, and at most 255",
        ),
        (
            format!("{WEBHOOK}secret = \"whsec_not base64 !!\"\n"),
            4,
            "notify.secret",
            "what follows whsec_ is not base64",
        ),
        (
            format!("{WEBHOOK}secret = \"0123456789abcdef\"\nsecret_file = \"f\"\n"),
            5,
            "notify.secret_file",
            "is given as well as secret; write one of them",
        ),
        (format!("{WEBHOOK}ca_file = \"\"\n"), 4, "notify.ca_file", "\"\" is not a file"),
        (format!("{WEBHOOK}mail_to = [\"a@b\"]\n"), 4, "notify.mail_to", "has no effect in a target with url"),
        (format!("{PROGRAM}secret_file = \"f\"\n"), 4, "notify.secret_file", "has no effect in a target with command"),
        (format!("{MAIL}secret_file = \"f\"\n"), 6, "notify.secret_file", "has no effect in a target with smtp"),
        (
            WEBHOOK.replace("https://a.example/x", "ftp://a"),
            3,
            "notify.url",
            "\"ftp://a\" is not a URL such as \"https://alerts.example.com/tapes\"",
        ),
        (WEBHOOK.replace("https://a.example/x", "https:///x"), 3, "notify.url", "\"https:///x\" is not a URL"),
        (
            WEBHOOK.replace("a.example/x", "u:p@a.example/x"),
            3,
            "notify.url",
            "a URL with a user name or password is not accepted; use secret",
        ),
        (PROGRAM.replace("\"/bin/x\"", ""), 1, "notify.command", "expected a program and its arguments"),
        (PROGRAM.replace("\"/bin/x\"", "\"\""), 3, "notify.command", "expected a program and its arguments"),
        (PROGRAM.replace("/bin/x", "a\\u0000b"), 3, "notify.command", "has a NUL character"),
        (
            MAIL.replace("a.example:25", "a.example"),
            3,
            "notify.smtp",
            "\"a.example\" is not ADDRESS:PORT, such as \"mail.example.com:587\"",
        ),
        (MAIL.replace(":25", ":0"), 3, "notify.smtp", "is not ADDRESS:PORT"),
        (MAIL.replace("mail_from = \"a@b.example\"\n", ""), 1, "notify.mail_from", "is required"),
        (
            MAIL.replace("a@b.example", "a"),
            4,
            "notify.mail_from",
            "\"a\" is not a mail address such as \"operators@example.com\"",
        ),
        (MAIL.replace("c@d.example", "c@d, e@f"), 5, "notify.mail_to", "is not a mail address"),
        (MAIL.replace("\"c@d.example\"", ""), 1, "notify.mail_to", "is required: at least one address"),
        (
            format!("{MAIL}smtp_security = \"ssl\"\n"),
            6,
            "notify.smtp_security",
            "\"ssl\" is invalid; expected \"starttls\", \"tls\" or \"none\"",
        ),
        (
            format!("{MAIL}smtp_security = \"none\"\n"),
            6,
            "notify.smtp_security",
            "\"none\" is only for a mail server on this machine, not for \"a.example\"",
        ),
        (format!("{MAIL}smtp_user = \"u\"\n"), 6, "notify.smtp_user", "needs smtp_password_file"),
        (format!("{MAIL}smtp_password_file = \"f\"\n"), 6, "notify.smtp_password_file", "needs smtp_user"),
        ("[library]\nmove_command = []\n".into(), 1, "library.move_command", "expected a program and its arguments"),
        ("[library]\nmove_command_timeout = 5\n".into(), 2, "library.move_command_timeout", "needs move_command"),
    ] {
        let error = parse("f", &text).unwrap_err();
        assert_eq!((error.line, error.key.as_str()), (line, key), "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
        assert!(!error.to_string().contains("0123456789"), "{error}");
    }
}

#[test]
fn printed_targets_read_back_without_secrets() {
    for text in [
        format!(
            "{WEBHOOK}secret_file = \"/a \\\"b\"\nca_file = \"c\"\nevents = [\"error\", \"door\"]\nlibraries = [\"main\"]\nretry_seconds = 7\n"
        ),
        format!(
            "{MAIL}smtp_user = \"u\"\nsmtp_password_file = \"f\"\nsmtp_security = \"tls\"\ndigest_seconds = 0\nevents = []\n"
        ),
        MAIL.replace("a.example:25", "[::1]:25") + "smtp_security = \"none\"\n",
        "[[notify]]\nname = \"o\"\ncommand = [\"/bin/x\", \"a b\"]\ntimeout_seconds = 3\n\
         [library]\nmove_command = [\"/bin/y\", \"z\"]\nmove_command_timeout = 4\n"
            .into(),
    ] {
        let config = parse("f", &text).unwrap();
        let printed = config.to_string();
        let again = parse("printed", &printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
        assert!(again.notify[0].equals(&config.notify[0]), "{printed}");
        assert_eq!(again.libraries[0].move_command, config.libraries[0].move_command);
        assert_eq!(again.to_string(), printed);
    }
    let printed = parse("f", &format!("{WEBHOOK}secret = \"0123456789abcdef\"\n")).unwrap().to_string();
    assert!(printed.contains("# secret is not shown") && !printed.contains("0123456789"), "{printed}");
}

#[test]
fn check_reads_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    for (target, key) in [(WEBHOOK, "secret_file"), (WEBHOOK, "ca_file"), (MAIL, "ca_file")] {
        let config = parse("f", &format!("{target}{key} = {missing:?}\n")).unwrap();
        let error = crate::config::check(&config).unwrap_err().to_string();
        assert_eq!(error, format!("f:1: notify.{key}: {}: No such file or directory (os error 2)", missing.display()));
    }
    let login = format!("{MAIL}smtp_user = \"u\"\nsmtp_password_file = {missing:?}\n");
    let error = crate::config::check(&parse("f", &login).unwrap()).unwrap_err();
    assert_eq!(error.key, "notify.smtp_password_file");
    crate::config::check(&parse("f", PROGRAM).unwrap()).unwrap();
}
