//! Refuses path patterns that no canonical path can equal. A deny rule spelled
//! `/%61dmin` would otherwise silently deny nothing (security: T4 to T6).

use super::PatternError;

/// Checks a piece of a path pattern. What stands behind a `?` belongs to a
/// query, which is not normalised.
pub(super) fn check(text: &str, offset: usize) -> Result<(), PatternError> {
    let path = text.split_once('?').map_or(text, |(path, _)| path);
    let mut rest = path.char_indices();
    while let Some((at, c)) = rest.next() {
        let place = offset + at;
        match c {
            '%' => {
                check_escape(rest.as_str(), place)?;
                rest.nth(1);
            }
            _ if is_path_char(c) => {}
            _ => return Err(foreign(c, place)),
        }
    }
    match text.char_indices().find(|(_, c)| !is_target_char(*c)) {
        Some((at, c)) => Err(foreign(c, offset + at)),
        None => Ok(()),
    }
}

/// The bytes RFC 3986 lets stand in a path.
fn is_path_char(c: char) -> bool {
    is_unreserved(c) || "!$&'()*+,;=:@/".contains(c)
}

fn is_unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~".contains(c)
}

fn is_target_char(c: char) -> bool {
    c.is_ascii_graphic() && c != '#'
}

/// `%` stands before two upper-case digits and never for an unreserved byte.
fn check_escape(rest: &str, place: usize) -> Result<(), PatternError> {
    let digits = rest.get(..2).unwrap_or_default();
    let byte = u8::from_str_radix(digits, 16)
        .ok()
        .filter(|_| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let Some(byte) = byte else {
        return Err(PatternError::at(
            place,
            "`%` stands before two hexadecimal digits; write `%25` for the character",
        ));
    };
    let canonical = match char::from(byte) {
        c if is_unreserved(c) => c.to_string(),
        _ => format!("%{byte:02X}"),
    };
    if canonical == format!("%{digits}") {
        return Ok(());
    }
    Err(PatternError::at(
        place,
        format!("a canonical path never holds `%{digits}`; write `{canonical}`"),
    ))
}

fn foreign(c: char, place: usize) -> PatternError {
    let advice = match c {
        '{' | '}' => "a template is spelled `{template: …}`".to_owned(),
        '^' | '|' | '[' | ']' | '\\' => "a regular expression is spelled `{regex: …}`".to_owned(),
        '#' => "fragments never leave the client".to_owned(),
        _ => format!("write `{}`", percent_encoded(c)),
    };
    PatternError::at(
        place,
        format!(
            "a canonical path never holds `{}`; {advice}",
            c.escape_debug()
        ),
    )
}

fn percent_encoded(c: char) -> String {
    let mut bytes = [0; 4];
    let bytes = c.encode_utf8(&mut bytes).bytes();
    bytes.map(|byte| format!("%{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_a_canonical_path_can_hold() {
        for text in [
            "/",
            "/a-._~",
            "/a%20b",
            "/%C3%A9",
            "/a;b=c,d:@!$&'()*+",
            "/x?q={a}|[b]",
        ] {
            assert_eq!(check(text, 0), Ok(()), "{text}");
        }
    }

    #[test]
    fn refuses_what_never_equals_a_canonical_path_and_says_what_does() {
        for (text, at, says) in [
            ("/%61dmin", 1, "write `a`"),
            ("/%c3%a9", 1, "write `%C3`"),
            ("/a%2", 2, "write `%25`"),
            ("/a%+1", 2, "write `%25`"),
            ("/é", 1, "write `%C3%A9`"),
            ("/a b", 2, "write `%20`"),
            ("/a/{id}", 3, "{template: …}"),
            ("/a|/b", 2, "{regex: …}"),
            ("/a#b", 2, "fragments"),
            ("/a?b c", 4, "write `%20`"),
        ] {
            let error = check(text, 0).unwrap_err();
            assert_eq!(error.offset(), at, "{text}");
            assert!(error.message().contains(says), "{text}: {error}");
        }
    }
}
