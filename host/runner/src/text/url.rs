//! URLs as messages show them: without the user name and password that they may hold.

use std::borrow::Cow;

use url::Url;

/// What takes the place of a user name and password.
const HIDDEN: &str = "[hidden]@";

/// A text that is meant to be a URL, without what could be a user name, a password or a token in its query.
pub fn without_credentials(url: &str) -> String {
    if let Ok(mut parsed) = Url::parse(url)
        && parsed.has_host()
    {
        parsed.set_query(None);
        parsed.set_fragment(None);
        let _ = parsed.set_password(None).and_then(|()| parsed.set_username(""));
        if !parsed.as_str().contains('@') {
            return parsed.to_string();
        }
    }
    // Of what is malformed, nobody can say where the password ends: it may hold any character.
    let (scheme, rest) = match url.find("://") {
        Some(at) => url.split_at(at + 3),
        None => ("", url),
    };
    let rest = match rest.rsplit_once('@') {
        Some((_, after)) => format!("{HIDDEN}{after}"),
        None => rest.to_owned(),
    };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    format!("{scheme}{}", &rest[..end])
}

/// A text for people without the user names and passwords of the URLs in it.
pub fn without_userinfo(text: &str) -> Cow<'_, str> {
    replaced(text, |_| HIDDEN.into())
}

/// Returns a text with the user names and passwords of its URLs masked, byte for byte, so that every place in it stays the same.
pub(crate) fn with_masked_userinfo(text: &str) -> Cow<'_, str> {
    replaced(text, |userinfo| "*".repeat(userinfo.len()) + "@")
}

/// Replaces the user name and password of each URL in a text, together with the `@` after them.
fn replaced(text: &str, with: impl Fn(&str) -> String) -> Cow<'_, str> {
    if !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = authority(rest) {
        let (before, after) = rest.split_at(at);
        shown.push_str(before);
        let ends = |c: char| c.is_whitespace() || c.is_control() || "/?#\"'`<>".contains(c);
        let authority = &after[..after.find(ends).unwrap_or(after.len())];
        rest = match authority.rfind('@') {
            Some(at) => {
                shown.push_str(&with(&authority[..at]));
                &after[at + 1..]
            }
            None => after,
        };
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// Returns where the next authority of a URL begins: after `//`, or after a single slash if the other is missing.
fn authority(text: &str) -> Option<usize> {
    let at = [text.find(":/"), text.find("//")].into_iter().flatten().min()?;
    let slashes = at + text[at..].find('/')?;
    Some(slashes + text[slashes..].bytes().take_while(|byte| *byte == b'/').count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_url_is_shown_with_its_password() {
        for (url, shown) in [
            ("https://example.com/a", "https://example.com/a"),
            ("https://u:hunter2@example.com/a?key=hunter2#x", "https://example.com/a"),
            ("https://u:hunter2@exa mple.com/a", "https://[hidden]@exa mple.com/a"),
            ("https://u:hun/ter2@example.com:x", "https://[hidden]@example.com:x"),
            ("https//u:hunter2@example.com", "[hidden]@example.com"),
            ("u:hunter2@example.com?x=hunter2", "[hidden]@example.com"),
            ("ftp://u:hunt@er2@example.com", "ftp://example.com/"),
            ("http://:hunter2@", "http://[hidden]@"),
            ("https://example.com:port?key=hunter2", "https://example.com:port"),
            ("mailto:u:hunter2@example.com", "[hidden]@example.com"),
        ] {
            assert_eq!(without_credentials(url), shown, "{url}");
        }
    }

    #[test]
    fn no_text_is_shown_with_the_password_of_a_url() {
        for (text, shown) in [
            (
                "cannot reach https://example.com/@team",
                "cannot reach https://example.com/@team",
            ),
            (
                "via `http://u:hunter2@proxy:8080` and socks5://hunter2@b, then mail x@y",
                "via `http://[hidden]@proxy:8080` and socks5://[hidden]@b, then mail x@y",
            ),
            ("https://a@b@c", "https://[hidden]@c"),
            ("http:/u:hunter2@h/", "http:/[hidden]@h/"),
            ("//u:hunter2@h and ///u:hunter2@h", "//[hidden]@h and ///[hidden]@h"),
            ("/home/soc@work", "/home/soc@work"),
        ] {
            assert_eq!(without_userinfo(text), shown);
            let masked = with_masked_userinfo(text);
            assert!(masked.len() == text.len() && !masked.contains("hunter2"), "{masked}");
        }
    }
}
