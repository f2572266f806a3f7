//! A Rust file, line by line, with its code and its comments apart.
//!
//! The rules search for words, and a word in a comment or a string is not code. So a scanner reads
//! the file. It recognises strings, characters, lifetimes and nested comments, and nothing else of
//! the language.

/// One line of a file.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// The unchanged line.
    pub(crate) text: String,
    /// Its code. Strings and characters are empty.
    pub(crate) code: String,
    /// Its comments, with their slashes.
    pub(crate) comment: String,
}

impl Line {
    /// Whether there is code on this line.
    pub(crate) fn has_code(&self) -> bool {
        !self.code.trim().is_empty()
    }
}

/// The state of the scanner.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    LineComment,
    BlockComment {
        depth: usize,
    },
    String,
    /// A raw string that ends with a quote and so many hashes.
    RawString {
        hashes: usize,
    },
}

/// Scans a file.
pub(crate) fn parse(text: &str) -> Vec<Line> {
    let letters: Vec<char> = text.chars().collect();
    let mut scanner = Scanner { letters: &letters, at: 0, state: State::Code, lines: Vec::new() };
    scanner.lines.push(Line::default());
    while scanner.at < letters.len() {
        scanner.step();
    }
    let mut lines = scanner.lines;
    for (line, text) in lines.iter_mut().zip(text.split('\n')) {
        line.text = text.to_owned();
    }
    lines
}

struct Scanner<'a> {
    letters: &'a [char],
    at: usize,
    state: State,
    lines: Vec<Line>,
}

impl Scanner<'_> {
    fn step(&mut self) {
        if self.letters[self.at] == '\n' {
            if self.state == State::LineComment {
                self.state = State::Code;
            }
            self.lines.push(Line::default());
            self.at += 1;
            return;
        }
        match self.state {
            State::Code => self.step_code(),
            State::LineComment => self.take_comment(1),
            State::BlockComment { depth } => self.step_block(depth),
            State::String => match self.letters[self.at] {
                // The scanner stops at the end of the line, because `step` counts lines there.
                '\\' if self.peek(1) != Some('\n') => self.at += 2,
                '"' => self.leave_string(1),
                _ => self.at += 1,
            },
            State::RawString { hashes } => {
                let tail = &self.letters[self.at + 1..];
                let closes = tail.len() >= hashes && tail[..hashes].iter().all(|c| *c == '#');
                match self.letters[self.at] == '"' && closes {
                    true => self.leave_string(1 + hashes),
                    false => self.at += 1,
                }
            }
        }
    }

    fn step_code(&mut self) {
        match (self.letters[self.at], self.peek(1)) {
            ('/', Some('/')) => {
                self.state = State::LineComment;
                self.take_comment(2);
            }
            ('/', Some('*')) => {
                self.state = State::BlockComment { depth: 1 };
                self.take_comment(2);
            }
            ('"', _) => {
                self.state = State::String;
                self.take_code(1);
            }
            ('r', Some('"' | '#')) if !self.is_in_word() && self.raw_hashes().is_some() => {
                let hashes = self.raw_hashes().unwrap_or_default();
                self.state = State::RawString { hashes };
                self.line().code.push('"');
                self.at += hashes + 2;
            }
            ('\'', _) => self.skip_character(),
            _ => self.take_code(1),
        }
    }

    fn step_block(&mut self, depth: usize) {
        match (self.letters[self.at], self.peek(1)) {
            ('*', Some('/')) => {
                self.state = match depth {
                    1 => State::Code,
                    _ => State::BlockComment { depth: depth - 1 },
                };
                self.take_comment(2);
            }
            ('/', Some('*')) => {
                self.state = State::BlockComment { depth: depth + 1 };
                self.take_comment(2);
            }
            _ => self.take_comment(1),
        }
    }

    /// Called at a quote, which begins a character or a lifetime.
    fn skip_character(&mut self) {
        let len = match (self.peek(1), self.peek(2)) {
            (Some('\\'), _) => {
                let tail = self.letters.get(self.at + 3..).unwrap_or_default();
                tail.iter().position(|letter| *letter == '\'').map(|index| index + 4)
            }
            (Some(_), Some('\'')) => Some(3),
            _ => None,
        };
        match len {
            Some(len) => {
                self.line().code.push_str("''");
                self.at += len;
            }
            None => self.take_code(1),
        }
    }

    /// Returns how many hashes the raw string that begins here has, if one begins here.
    fn raw_hashes(&self) -> Option<usize> {
        let tail = &self.letters[self.at + 1..];
        let hashes = tail.iter().take_while(|letter| **letter == '#').count();
        (tail.get(hashes) == Some(&'"')).then_some(hashes)
    }

    /// Whether the letter before belongs to a word, other than the `b` of a byte string.
    fn is_in_word(&self) -> bool {
        let before = |distance: usize| {
            let index = self.at.checked_sub(distance)?;
            self.letters.get(index).copied()
        };
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        match before(1) {
            Some('b' | 'c') => is_word(before(2)),
            letter => is_word(letter),
        }
    }

    fn peek(&self, distance: usize) -> Option<char> {
        self.letters.get(self.at + distance).copied()
    }

    fn line(&mut self) -> &mut Line {
        self.lines.last_mut().expect("the first line is there from the start")
    }

    fn take_code(&mut self, count: usize) {
        let letters = self.letters;
        let taken = &letters[self.at..self.at + count];
        self.line().code.extend(taken);
        self.at += count;
    }

    fn take_comment(&mut self, count: usize) {
        let letters = self.letters;
        let taken = &letters[self.at..self.at + count];
        self.line().comment.extend(taken);
        self.at += count;
    }

    fn leave_string(&mut self, count: usize) {
        self.line().code.push('"');
        self.state = State::Code;
        self.at += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Vec<String> {
        parse(text).into_iter().map(|line| line.code.trim_end().to_owned()).collect()
    }

    #[test]
    fn comments_and_strings_are_not_code() {
        assert_eq!(code("a // b\nc /* d /* e */ f */ g"), ["a", "c  g"]);
        assert_eq!(code(r#"x("// \" y") z"#), [r#"x("") z"#]);
        assert_eq!(code("r#\"a\"b\"# c"), ["\"\" c"]);
        assert_eq!(code("br\"a\\\" c"), ["b\"\" c"]);
        assert_eq!(code("\"a\nb\" c"), ["\"", "\" c"]);
    }

    #[test]
    fn characters_and_lifetimes_are_distinguished() {
        assert_eq!(code(r#"f('"', '\'', '\u{7}', b'x') "#), ["f('', '', '', b'')"]);
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), ["fn f<'a>(x: &'a str) {}"]);
    }

    #[test]
    fn lines_keep_their_text_and_comment() {
        let lines = parse("a // SAFETY: b\n");
        assert_eq!((lines[0].text.as_str(), lines.len()), ("a // SAFETY: b", 2));
        assert_eq!(lines[0].comment, "// SAFETY: b");
    }
}
