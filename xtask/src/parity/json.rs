//! As much of JSON as rustdoc writes.

use std::collections::BTreeMap;

/// A value. Numbers keep their digits: here they are names.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

static NULL: Json = Json::Null;

impl Json {
    /// The member of an object; null where there is none.
    pub(super) fn get(&self, key: &str) -> &Json {
        match self {
            Json::Object(members) => members.get(key).unwrap_or(&NULL),
            _ => &NULL,
        }
    }

    /// The text of a string, the digits of a number.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) | Json::Number(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> &[Json] {
        match self {
            Json::List(values) => values,
            _ => &[],
        }
    }

    /// The members of an object.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &Json)> {
        let members = match self {
            Json::Object(members) => Some(members),
            _ => None,
        };
        members.into_iter().flatten().map(|(key, value)| (key.as_str(), value))
    }

    /// The name and the content of an object with one member, and of a string.
    pub(super) fn variant(&self) -> Option<(&str, &Json)> {
        match self {
            Json::Text(name) => Some((name, &NULL)),
            _ => self.members().next(),
        }
    }

    pub(super) fn is_true(&self) -> bool {
        *self == Json::Bool(true)
    }
}

/// Reads a document; `None` if it is not JSON.
pub(super) fn parse(text: &str) -> Option<Json> {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    let value = reader.value()?;
    reader.space();
    (reader.at == reader.bytes.len()).then_some(value)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn space(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    /// Takes `byte` if it is the next, space apart.
    fn eat(&mut self, byte: u8) -> Option<()> {
        self.space();
        let is_next = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next.then_some(())
    }

    fn word(&mut self, word: &str, value: Json) -> Option<Json> {
        let is_next = self.bytes[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        is_next.then_some(value)
    }

    fn value(&mut self) -> Option<Json> {
        self.space();
        match self.bytes.get(self.at)? {
            b'{' => self.object(),
            b'[' => self.list(),
            b'"' => self.string().map(Json::Text),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'n' => self.word("null", Json::Null),
            _ => self.number(),
        }
    }

    fn number(&mut self) -> Option<Json> {
        let rest = &self.bytes[self.at..];
        let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let len = rest.iter().take_while(|byte| is_part(byte)).count();
        self.at += len;
        let digits = String::from_utf8(rest[..len].to_vec()).ok()?;
        (len > 0).then_some(Json::Number(digits))
    }

    fn object(&mut self) -> Option<Json> {
        let mut members = BTreeMap::new();
        self.eat(b'{')?;
        while self.eat(b'}').is_none() {
            if !members.is_empty() {
                self.eat(b',')?;
                self.space();
            }
            let key = self.string()?;
            self.eat(b':')?;
            members.insert(key, self.value()?);
        }
        Some(Json::Object(members))
    }

    fn list(&mut self) -> Option<Json> {
        let mut values = Vec::new();
        self.eat(b'[')?;
        while self.eat(b']').is_none() {
            if !values.is_empty() {
                self.eat(b',')?;
            }
            values.push(self.value()?);
        }
        Some(Json::List(values))
    }

    fn string(&mut self) -> Option<String> {
        self.eat(b'"')?;
        let mut bytes = Vec::new();
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            match byte {
                b'"' => return String::from_utf8(bytes).ok(),
                b'\\' => {
                    let escape = self.escape()?;
                    bytes.extend(escape.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => bytes.push(byte),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        let plain = |char| Some(char);
        match byte {
            b'n' => plain('\n'),
            b't' => plain('\t'),
            b'r' => plain('\r'),
            b'b' => plain('\u{8}'),
            b'f' => plain('\u{c}'),
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4)?;
                self.at += 4;
                let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
                // Half of a surrogate pair occurs only in docs, which are not read here.
                Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            _ => plain(char::from(byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read() {
        let text = r#" {"a": [1, -2.5e3, "x\n\u00e9\"", {}], "b": {"c": true, "d": null}} "#;
        let json = parse(text).unwrap();
        let list = json.get("a").list();
        assert_eq!(list[1].text(), Some("-2.5e3"));
        assert_eq!(list[2].text(), Some("x\né\""));
        assert_eq!(list[3], Json::Object(BTreeMap::new()));
        assert!(json.get("b").get("c").is_true());
        assert_eq!(*json.get("b").get("nothing"), Json::Null);
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "[1 2]", "{\"a\" 1}", "\"open", "tru", "1 2", "[1,]"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
