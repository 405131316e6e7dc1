//! Names of iSCSI nodes (RFC 7143 §4.2.7), with the characters that RFC 3722 allows.

/// Maximum length of an iSCSI name, in bytes of UTF-8 (RFC 7143 §4.2.7.1).
pub const MAX_NAME_LENGTH: usize = 223;

/// An error in the syntax of an iSCSI name. `Display` escapes control characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The string has no characters.
    #[error("the name is empty")]
    Empty,
    /// The name is longer than [`MAX_NAME_LENGTH`]: its length in bytes and its first 80 characters.
    #[error("the name has {0} bytes, more than 223: {1:?}...")]
    TooLong(usize, String),
    /// A character that RFC 3722 prohibits: the name, the character and its byte offset.
    #[error("{0:?} has a character that is not allowed in an iSCSI name: {1:?} at byte {2}")]
    Character(String, char, usize),
    /// The name has none of the three types `iqn.`, `eui.` and `naa.`.
    #[error("{0:?} does not begin with \"iqn.\", \"eui.\" or \"naa.\"")]
    UnknownType(String),
    /// An `eui.` or `naa.` name without the right number of hexadecimal digits: the name and that number.
    #[error("{0:?} needs {1} hexadecimal digits after its type")]
    BadIdentifier(String, &'static str),
}

/// Returns whether a character is allowed in a name. RFC 3722 prohibits the underscore, but initiators commonly use it,
/// so it is allowed here. [`normalised`] maps upper case to lower case.
fn is_allowed(character: char) -> bool {
    if character.is_ascii() {
        character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | ':' | '_')
    } else {
        character.is_alphanumeric()
    }
}

/// Checks the syntax of the name of an initiator or target.
///
/// # Errors
/// The rule that the name violates.
pub fn check(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > MAX_NAME_LENGTH {
        return Err(NameError::TooLong(name.len(), name.chars().take(80).collect()));
    }
    if let Some((index, character)) = name.char_indices().find(|(_, character)| !is_allowed(*character)) {
        return Err(NameError::Character(name.into(), character, index));
    }
    let kind = name.get(..4).map(str::to_ascii_lowercase);
    let rest = name.get(4..).unwrap_or_default();
    let hexadecimal = rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    match kind.as_deref() {
        Some("iqn.") if !rest.is_empty() => Ok(()),
        Some("eui.") if hexadecimal && rest.len() == 16 => Ok(()),
        Some("eui.") => Err(NameError::BadIdentifier(name.into(), "16")),
        Some("naa.") if hexadecimal && matches!(rest.len(), 16 | 32) => Ok(()),
        Some("naa.") => Err(NameError::BadIdentifier(name.into(), "16 or 32")),
        _ => Err(NameError::UnknownType(name.into())),
    }
}

/// Returns the normalised form of a name, for comparison: lower case, as RFC 3722 specifies. Names are equal if their
/// normalised forms are the same bytes (RFC 7143 §4.2.7.2). Unicode NFKC is not applied: the initiator has to send
/// names in this form.
#[must_use]
pub fn normalised(name: &str) -> String {
    let lower = |character: char| {
        let mut mapped = character.to_lowercase();
        // Only one character of Unicode maps to two lower-case characters, one of which RFC 3722 prohibits.
        mapped.next().filter(|_| mapped.next().is_none()).unwrap_or(character)
    };
    name.chars().map(lower).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_names_are_accepted() {
        for name in [
            "iqn.1993-08.org.debian:01:9a8b7c6d5e4f",
            "iqn.1991-05.com.microsoft:backup-server.example.com",
            "iqn.1998-01.com.vmware:esx_01-4a5b6c7d",
            "IQN.2001-04.com.example:Storage",
            "iqn.2001-04.com.example:b\u{e4}nder",
            "eui.02004567A425678D",
            "naa.52004567BA64678D",
            "naa.62004567BA64678D0123456789ABCDEF",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        assert_eq!(check(&format!("iqn.{}", "a".repeat(219))), Ok(()));
    }

    #[test]
    fn names_are_compared_in_lower_case() {
        for (name, normal) in [
            ("IQN.2001-04.com.Example:Storage", "iqn.2001-04.com.example:storage"),
            ("iqn.2001-04.com.example:B\u{c4}NDER", "iqn.2001-04.com.example:b\u{e4}nder"),
            ("eui.02004567A425678D", "eui.02004567a425678d"),
            ("iqn.\u{130}", "iqn.\u{130}"),
            ("iqn.1998-01.com.vmware:esx_01-4a5b6c7d", "iqn.1998-01.com.vmware:esx_01-4a5b6c7d"),
        ] {
            assert_eq!(normalised(name), normal);
        }
    }

    #[test]
    fn invalid_names_are_rejected() {
        let message = |name: &str| check(name).unwrap_err().to_string();
        assert_eq!(message(""), "the name is empty");
        assert_eq!(
            message("iqn.a\u{1b}[2J"),
            r#""iqn.a\u{1b}[2J" has a character that is not allowed in an iSCSI name: '\u{1b}' at byte 5"#
        );
        for bad in ["iqn.a\nb", "iqn.a b", "iqn.a\u{7f}", "iqn.a\u{85}b", "iqn.a\u{202e}b", "iqn.a/b", "iqn.a\"b"] {
            assert!(matches!(check(bad), Err(NameError::Character(..))), "{bad:?}");
        }
        assert!(message(&"i".repeat(224)).starts_with("the name has 224 bytes, more than 223: \"iiii"));
        for bad in ["iqn.", "host", "iqn", "eui", "x"] {
            assert!(matches!(check(bad), Err(NameError::UnknownType(_))), "{bad:?}");
        }
        for bad in ["eui.123", "eui.02004567A425678G", "naa.5", "naa.62004567BA64678D0123"] {
            assert!(matches!(check(bad), Err(NameError::BadIdentifier(..))), "{bad:?}");
        }
    }
}
