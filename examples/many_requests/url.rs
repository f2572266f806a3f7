//! The URLs that this program supports: `http://host[:port][/path][?query]`.

use std::fmt;

/// A parsed URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query, for the request line.
    pub(crate) path: String,
    /// Host and port as written, for the `Host` header.
    pub(crate) authority: String,
}

/// The reason why a text is not a supported URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UrlError(&'static str);

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed URL: {}", self.0)
    }
}

impl Url {
    /// Parses `text`.
    pub(crate) fn parse(text: &str) -> Result<Url, UrlError> {
        // A line break in a URL would end the request line and start another header.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UrlError("it has a space, a control character or a letter beyond ASCII"));
        }
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(UrlError("only http:// is supported")),
            None => return Err(UrlError("it does not start with http://")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("/{path}"),
        };
        let (host, port) = split_authority(authority)?;
        Ok(Url { host, port, path, authority: authority.to_owned() })
    }
}

fn split_authority(authority: &str) -> Result<(String, u16), UrlError> {
    if authority.contains('@') {
        return Err(UrlError("user names are not supported"));
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) =
                rest.split_once(']').ok_or(UrlError("the bracket of the address is not closed"))?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(UrlError("no IPv6 address between the brackets"));
            }
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(UrlError("text after the bracket")),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err(UrlError("the host is missing"));
    }
    let port = match port {
        None | Some("") => 80,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            port.parse().map_err(|_| UrlError("the port is above 65535"))?
        }
        Some(_) => return Err(UrlError("the port is not a number")),
    };
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, u16, String) {
        let url = Url::parse(text).unwrap();
        (url.host, url.port, url.path)
    }

    #[test]
    fn host_port_and_path_are_parsed() {
        let expect = |host: &str, port, path: &str| (host.to_owned(), port, path.to_owned());
        assert_eq!(parts("http://a"), expect("a", 80, "/"));
        assert_eq!(parts("HTTP://a:8080/b/c?d#e"), expect("a", 8080, "/b/c?d"));
        assert_eq!(parts("http://a?q"), expect("a", 80, "/?q"));
        assert_eq!(parts("http://[::1]:81/x"), expect("::1", 81, "/x"));
        assert_eq!(parts("http://[::1]"), expect("::1", 80, "/"));
    }

    #[test]
    fn other_texts_are_refused() {
        let refused = [
            "",
            "a",
            "http:/a",
            "https://a",
            "http://",
            "http:///x",
            "http://:80",
            "http://a:x",
            "http://a:65536",
            "http://[::1",
            "http://[x]",
            "http://[::1]x",
            "http://u@a",
            "http://a/ b",
            "http://a/\r\nX: y",
            "http://a:+1",
        ];
        for text in refused {
            assert!(Url::parse(text).is_err(), "{text:?}");
        }
    }
}
