//! Finds the types that a file defines, and the names of their functions, constants, fields and
//! variants.
//!
//! A light parse: it splits the code into words and brackets, and reads the words at the start of
//! each item. It resolves no imports and expands no macros. So two types of the same name share one
//! entry, and a function that a macro defines is not found.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Line;

/// The members of each type, by its name.
pub(super) type Members = BTreeMap<String, BTreeSet<String>>;

/// What a file defines.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    pub(super) types: Members,
    /// Each name that the file defines at any level, or re-exports.
    pub(super) items: BTreeSet<String>,
}

/// Words before the keyword of an item, besides `const`.
const BEFORE: [&str; 5] = ["pub", "unsafe", "async", "extern", "default"];

/// Reads a file.
pub(super) fn definitions(lines: &[Line]) -> Definitions {
    let words = words(lines);
    let mut parser = Parser { words: &words, at: 0, found: Definitions::default() };
    while parser.at < parser.words.len() {
        parser.items(None);
        // An unmatched closing bracket.
        parser.at += 1;
    }
    parser.found
}

/// Identifiers, `::`, arrows, and every other character on its own.
fn words(lines: &[Line]) -> Vec<&str> {
    lines.iter().flat_map(|line| split(&line.code)).collect()
}

fn split(mut code: &str) -> Vec<&str> {
    let mut words = Vec::new();
    loop {
        code = code.trim_start();
        let Some(first) = code.chars().next() else { return words };
        let is_other = |letter: char| !is_letter(letter);
        let len = match first {
            _ if is_letter(first) => code.find(is_other).unwrap_or(code.len()),
            _ if ["::", "->", "=>", "''"].iter().any(|pair| code.starts_with(pair)) => 2,
            _ => first.len_utf8(),
        };
        let (word, rest) = code.split_at(len);
        words.push(word);
        code = rest;
    }
}

fn is_letter(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn is_name(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
    found: Definitions,
}

impl<'a> Parser<'a> {
    /// Reads items up to the closing bracket. They are members of `owner`, if one is given.
    fn items(&mut self, owner: Option<&str>) {
        while self.peek().is_some_and(|word| word != "}") {
            match self.peek() {
                Some("#") => self.skip_attribute(),
                _ => self.item(owner),
            }
        }
    }

    fn item(&mut self, owner: Option<&str>) {
        let head = self.head();
        let mut words = head.iter().copied().skip_while(|word| BEFORE.contains(word)).peekable();
        let mut keyword = words.next().unwrap_or_default();
        while keyword == "const" && words.peek().is_some_and(|word| is_keyword_of_fn(word)) {
            keyword = words.next().unwrap_or_default();
        }
        let name = words.next().filter(|word| is_name(word)).unwrap_or_default();
        match keyword {
            "struct" | "union" | "enum" | "trait" => self.define_type(keyword, name),
            "impl" => {
                let owner = implemented_type(&head);
                if let Some(owner) = owner {
                    self.found.types.entry(owner.to_owned()).or_default();
                }
                self.body(|parser| parser.items(owner));
            }
            "mod" => {
                self.define(name, None);
                self.body(|parser| parser.items(None));
            }
            "fn" => {
                self.define(name, owner);
                self.body(Parser::skip_rest);
            }
            "const" | "static" | "type" => {
                self.define(name, owner);
                self.skip_to_semicolon(|_| ());
            }
            "use" => {
                let mut exported: BTreeSet<String> =
                    head.iter().map(|word| (*word).to_owned()).collect();
                self.skip_to_semicolon(|word| _ = exported.insert(word.to_owned()));
                if head.first() == Some(&"pub") {
                    self.found.items.extend(exported);
                }
            }
            // A macro, or its definition.
            _ => self.body(Parser::skip_rest),
        }
    }

    fn define(&mut self, name: &str, owner: Option<&str>) {
        self.found.items.insert(name.to_owned());
        if let Some(owner) = owner {
            self.found.types.entry(owner.to_owned()).or_default().insert(name.to_owned());
        }
    }

    fn define_type(&mut self, keyword: &str, name: &str) {
        self.define(name, None);
        self.found.types.entry(name.to_owned()).or_default();
        self.body(|parser| match keyword {
            "trait" => parser.items(Some(name)),
            "enum" => parser.variants(name),
            _ => parser.fields(name),
        });
    }

    /// Reads the words of an item up to its body or semicolon, and skips parentheses.
    fn head(&mut self) -> Vec<&'a str> {
        let mut head = Vec::new();
        while let Some(word) = self.peek() {
            match word {
                "{" | ";" | "}" => break,
                "(" | "[" => self.skip_brackets(),
                _ => {
                    head.push(word);
                    self.at += 1;
                }
            }
        }
        head
    }

    /// Called at the body of an item or at its semicolon. Reads the body with `read`.
    fn body(&mut self, read: impl FnOnce(&mut Parser<'a>)) {
        let has_body = self.peek() == Some("{");
        if self.peek() != Some("}") {
            self.at += 1;
        }
        if has_body {
            read(self);
            self.at += 1;
        }
    }

    fn fields(&mut self, owner: &str) {
        while let Some(word) = self.peek().filter(|word| *word != "}") {
            match word {
                "#" => self.skip_attribute(),
                "{" | "(" | "[" => self.skip_brackets(),
                ":" => {
                    let name = self.words[self.at - 1];
                    self.define(name, Some(owner));
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
    }

    fn variants(&mut self, owner: &str) {
        let mut is_first = true;
        while let Some(word) = self.peek().filter(|word| *word != "}") {
            match word {
                "#" => self.skip_attribute(),
                "{" | "(" | "[" => self.skip_brackets(),
                _ => {
                    if is_first {
                        self.define(word, Some(owner));
                    }
                    is_first = word == ",";
                    self.at += 1;
                }
            }
        }
    }

    fn skip_attribute(&mut self) {
        self.at += 1;
        if self.peek() == Some("!") {
            self.at += 1;
        }
        self.skip_brackets();
    }

    /// Called at an opening bracket. Skips past the matching closing bracket.
    fn skip_brackets(&mut self) {
        self.at += 1;
        self.skip_rest();
        self.at += 1;
    }

    /// Skips to the closing bracket of the current block.
    fn skip_rest(&mut self) {
        let mut depth = 0_usize;
        while let Some(word) = self.peek() {
            match word {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" if depth == 0 => return,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Skips past the semicolon of the current item.
    fn skip_to_semicolon(&mut self, mut each: impl FnMut(&str)) {
        let mut depth = 0_usize;
        while let Some(word) = self.peek() {
            match word {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" if depth == 0 => return,
                "}" | ")" | "]" => depth -= 1,
                _ => each(word),
            }
            self.at += 1;
            if word == ";" && depth == 0 {
                return;
            }
        }
    }

    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }
}

fn is_keyword_of_fn(word: &str) -> bool {
    word == "fn" || BEFORE.contains(&word)
}

/// The name of the type of an `impl` with this head.
fn implemented_type<'a>(head: &[&'a str]) -> Option<&'a str> {
    let (mut depth, mut name, mut is_path) = (0_usize, None, true);
    for (index, word) in head.iter().enumerate().skip_while(|(_, word)| **word != "impl").skip(1) {
        match *word {
            "<" => depth += 1,
            ">" => depth = depth.saturating_sub(1),
            "where" if depth == 0 => break,
            // Skips the `for` of `for<'a>`.
            "for" if depth == 0 && head.get(index + 1) != Some(&"<") => {
                (name, is_path) = (None, true)
            }
            _ if depth > 0 || !is_name(word) || head[index - 1] == "'" => {}
            "mut" | "dyn" | "const" => {}
            _ if is_path => {
                name = Some(*word);
                is_path = head.get(index + 1) == Some(&"::");
            }
            _ => {}
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn members(text: &str) -> Vec<String> {
        let found = definitions(&source::parse(text));
        let each = |(name, members): (String, BTreeSet<String>)| {
            format!("{name}: {}", members.into_iter().collect::<Vec<_>>().join(" "))
        };
        found.types.into_iter().map(each).collect()
    }

    #[test]
    fn functions_belong_to_the_type_of_their_impl() {
        let text = "impl<'a, F: Fn(u8) -> u8> fmt::Debug for a::Pool<'a, F> where F: Send {\n\
                    const A: B = B { c: 1 };\n\
                    pub(crate) unsafe fn start<T>(&self, x: [u8; 2]) -> T { fn no() {} }\n}\n\
                    impl Drop for &'a Other { async fn b() {} }\n\
                    impl<F> Call for F where F: for<'a> Fn(&'a u8) {}";
        assert_eq!(members(text), ["F: ", "Other: b", "Pool: A start"]);
    }

    #[test]
    fn fields_variants_and_methods_of_traits_are_members() {
        let text = "pub struct A<T> where T: B { #[cfg(x)] pub a: C<D>, b: [E; 2], }\n\
                    struct F(u8, G);\n\
                    enum H { #[default] I, J { k: u8 }, L(M) = 3, }\n\
                    trait N: O { type P; const Q: u8 = 1; fn r(&self); fn s() {} }\n";
        assert_eq!(members(text), ["A: a b", "F: ", "H: I J L", "N: P Q r s"]);
    }

    #[test]
    fn items_are_those_that_are_defined_or_exported() {
        let text = "pub use a::{b, c::D}; use e::f; mod g { const fn h() {} }\n\
                    thread_local!(static I: J = const { K }); static L: M = M { n: 1 };";
        let found = definitions(&source::parse(text));
        for (name, is_there) in [("b", true), ("D", true), ("f", false), ("h", true), ("L", true)] {
            assert_eq!(found.items.contains(name), is_there, "{name}");
        }
    }
}
