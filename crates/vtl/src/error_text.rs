//! Translates the type errors of JSON and TOML parsers, which name Rust types, into plain words.

/// Returns the value that was read and the value that was expected; `None` if the error is not about a wrong value.
pub(crate) fn wrong_value(error: &str) -> Option<(&str, &str)> {
    // invalid type: string "many", expected u16; integer `70000`, boolean `true`, map, sequence, null
    let rest = error.strip_prefix("invalid type: ").or_else(|| error.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let found = match found.find(['"', '`']).and_then(|at| found.get(at..)) {
        // A number may be followed by the type that it does not fit: `99999999999999999999` as i128.
        Some(value) if value.starts_with('`') => value.split('`').nth(1).unwrap_or(value),
        Some(value) => value,
        None if found == "map" => "a table",
        None if found == "sequence" => "a list",
        None => found,
    };
    let expected = match expected {
        "u8" => "a number from 0 to 255",
        "u16" => "a number from 0 to 65535",
        "u32" | "u64" | "usize" => "a number from 0",
        "a boolean" => "true or false",
        "a string" | "string" => "a string",
        "a sequence" => "a list",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other => other,
    };
    Some((found, expected))
}

/// Translates an error about a wrong value; returns any other error unchanged.
pub(crate) fn plain_error(error: String) -> String {
    match wrong_value(&error) {
        Some((found, expected)) => format!("expected {expected}, not {found}"),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::plain_error;

    #[test]
    fn value_types_are_named_plainly() {
        for (error, expected) in [
            ("invalid type: string \"many\", expected u16", "expected a number from 0 to 65535, not \"many\""),
            ("invalid value: integer `70000`, expected u16", "expected a number from 0 to 65535, not 70000"),
            (
                "invalid value: integer `99999999999999999999` as i128, expected u16",
                "expected a number from 0 to 65535, not 99999999999999999999",
            ),
            ("invalid type: floating point `1.5`, expected u8", "expected a number from 0 to 255, not 1.5"),
            ("invalid type: boolean `true`, expected a string", "expected a string, not true"),
            ("invalid type: map, expected a boolean", "expected true or false, not a table"),
            ("invalid type: string \"a, expected b\", expected a map", "expected a table, not \"a, expected b\""),
            ("unknown field `x`, expected `y`", "unknown field `x`, expected `y`"),
        ] {
            assert_eq!(plain_error(error.into()), expected);
        }
    }
}
