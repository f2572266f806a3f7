//! Reads Perfetto's traces by the published definitions, `perfetto_trace.proto` beside this file.
//! It does not use the command's message types: a field with a wrong number or type, or one that
//! the definitions do not have, is an error.

use std::collections::HashMap;

/// A field of a message: its name and its type.
type Fields = HashMap<u64, (String, String)>;

/// A value of a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Number(u64),
    Text(String),
    Message(Message),
}

/// The fields of a message, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Message {
    fields: HashMap<String, Vec<Value>>,
}

impl Message {
    pub(crate) fn all(&self, name: &str) -> &[Value] {
        self.fields.get(name).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn message(&self, name: &str) -> Option<&Message> {
        self.all(name).first().map(|value| match value {
            Value::Message(message) => message,
            other => panic!("{name} is not a message: {other:?}"),
        })
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.all(name).first().map(|value| match value {
            Value::Number(number) => *number,
            other => panic!("{name} is not a number: {other:?}"),
        })
    }

    pub(crate) fn numbers(&self, name: &str) -> Vec<u64> {
        let numbers = self.all(name).iter().map(|value| match value {
            Value::Number(number) => *number,
            other => panic!("{name} is not a number: {other:?}"),
        });
        numbers.collect()
    }
}

/// Reads a whole file.
pub(crate) fn read(bytes: &[u8]) -> Message {
    let definitions = definitions();
    message(&definitions, "Trace", bytes)
}

fn definitions() -> HashMap<String, Fields> {
    let mut all = HashMap::new();
    let mut open: Option<(String, Fields)> = None;
    for line in include_str!("perfetto_trace.proto").lines() {
        let words: Vec<&str> = line.trim().trim_end_matches(';').split_whitespace().collect();
        match words[..] {
            ["message", name, "{"] => open = Some((name.to_owned(), Fields::new())),
            ["}"] => all.extend(open.take()),
            ["optional" | "repeated", kind, name, "=", number, ..] => {
                let (_, fields) = open.as_mut().expect("a field belongs to a message");
                fields.insert(number.parse().unwrap(), (name.to_owned(), kind.to_owned()));
            }
            _ => {}
        }
    }
    all
}

fn message(definitions: &HashMap<String, Fields>, name: &str, mut bytes: &[u8]) -> Message {
    let fields = definitions.get(name).unwrap_or_else(|| panic!("no definition of {name}"));
    let mut found = Message::default();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let (number, wire) = (key >> 3, key & 7);
        let (field, kind) = fields.get(&number).unwrap_or_else(|| panic!("{name} has no {number}"));
        let (expected, is_message) = match &**kind {
            "fixed64" => (1, false),
            "string" => (2, false),
            kind if definitions.contains_key(kind) => (2, true),
            // Numbers, booleans and enumerations.
            _ => (0, false),
        };
        assert_eq!(wire, expected, "{name}.{field} is a {kind}");
        let value = match wire {
            0 => Value::Number(varint(&mut bytes)),
            1 => Value::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap())),
            _ => {
                let len = varint(&mut bytes);
                let inside = take(&mut bytes, usize::try_from(len).unwrap());
                match is_message {
                    true => Value::Message(message(definitions, kind, inside)),
                    false => Value::Text(String::from_utf8(inside.to_vec()).unwrap()),
                }
            }
        };
        found.fields.entry(field.clone()).or_default().push(value);
    }
    found
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(len);
    *bytes = rest;
    taken
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)[0];
        number |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return number;
        }
    }
    panic!("a number of more than 64 bits")
}
