//! The options of an attribute: `name = value`, separated by commas.

use proc_macro::{Delimiter, Group, Literal, Span, TokenStream, TokenTree};

use crate::expand::{Role, source};
use crate::parse::{SyntaxError, is_punct};

/// The most workers of a runtime, as its builder has it.
const MAX_WORKERS: u128 = 512;

/// The parsed options of an attribute.
#[derive(Debug)]
pub(crate) struct Options {
    /// `crate = path`.
    pub(crate) path: Option<TokenStream>,
    /// Calls of the runtime's builder: the method and its argument.
    builder: Vec<(&'static str, TokenTree)>,
    /// `shutdown_grace = "10s"`, in milliseconds.
    shutdown_grace_ms: Option<u64>,
    /// Not `deadlock = false`: a deadlocked test fails.
    pub(crate) fails_on_deadlock: bool,
    has_deadlock: bool,
    /// `simulate = 20`: the number of seeds.
    pub(crate) seeds: Option<TokenTree>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            path: None,
            builder: Vec::new(),
            shutdown_grace_ms: None,
            fails_on_deadlock: true,
            has_deadlock: false,
            seeds: None,
        }
    }
}

impl Options {
    pub(crate) fn parse(attribute: TokenStream, role: Role) -> Result<Options, SyntaxError> {
        let mut options = Options::default();
        let mut tokens = attribute.into_iter();
        // Each round consumes a token, so the loop ends.
        while let Some(name) = tokens.next() {
            let span = name.span();
            let equals = tokens.next();
            let is_equals = equals.is_some_and(|token| is_punct(&token, '='));
            let value: Vec<TokenTree> =
                tokens.by_ref().take_while(|token| !is_punct(token, ',')).collect();
            if !is_equals || value.is_empty() {
                return Err(SyntaxError { message: role.expected(), span });
            }
            options.set(&name.to_string(), span, value, role)?;
        }
        Ok(options)
    }

    fn set(
        &mut self,
        name: &str,
        span: Span,
        value: Vec<TokenTree>,
        role: Role,
    ) -> Result<(), SyntaxError> {
        let is_known = match role {
            Role::Main => !matches!(name, "deadlock" | "simulate"),
            Role::Test => matches!(name, "crate" | "deadlock" | "simulate"),
            Role::PlainMain | Role::PlainTest => name == "crate",
        };
        if !is_known {
            return Err(SyntaxError { message: role.expected(), span });
        }
        let is_new = match name {
            "crate" => self.path.replace(value.into_iter().collect()).is_none(),
            "workers" => {
                let message =
                    "`workers` is a number of threads from 1 to 512, such as `workers = 4`";
                let is_valid = |count| (1..=MAX_WORKERS).contains(&count);
                self.add("workers", number(&value, is_valid, message)?)
            }
            "max_blocking_threads" => {
                let message = "`max_blocking_threads` is a number of at least 1, such as \
                               `max_blocking_threads = 64`";
                let is_valid = |count| (1..=u128::from(u32::MAX)).contains(&count);
                self.add("max_blocking_threads", number(&value, is_valid, message)?)
            }
            "thread_name" => {
                let message =
                    "`thread_name` is a string without NUL, such as `thread_name = \"bees\"`";
                let token = only(&value, message)?;
                let is_valid = text(token).is_some_and(|text| !text.contains("\\0"));
                if !is_valid {
                    return Err(SyntaxError { message, span: token.span() });
                }
                self.add("thread_name", token.clone())
            }
            "shutdown_grace" => {
                let message = "`shutdown_grace` is a time with the unit ms, s, m or h, such as \
                               `shutdown_grace = \"10s\"`";
                let token = only(&value, message)?;
                let grace_ms = text(token).and_then(|text| milliseconds(&text));
                let grace_ms = grace_ms.ok_or(SyntaxError { message, span: token.span() })?;
                self.shutdown_grace_ms.replace(grace_ms).is_none()
            }
            "deadlock" => {
                let message =
                    "`deadlock` is `true` or `false`: whether a test that stands still fails";
                let token = only(&value, message)?;
                self.fails_on_deadlock = match token.to_string().as_str() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(SyntaxError { message, span: token.span() }),
                };
                !std::mem::replace(&mut self.has_deadlock, true)
            }
            "simulate" => {
                let message = "`simulate` is a number of seeds of at least 1, such as \
                               `simulate = 20`";
                let is_valid = |count| (1..=u128::from(u64::MAX)).contains(&count);
                self.seeds.replace(number(&value, is_valid, message)?).is_none()
            }
            _ => return Err(SyntaxError { message: role.expected(), span }),
        };
        if is_new {
            return Ok(());
        }
        Err(SyntaxError { message: "this option is given twice", span })
    }

    /// Adds a call of the builder. `false` if there was one already.
    fn add(&mut self, method: &'static str, argument: TokenTree) -> bool {
        let is_new = self.builder.iter().all(|(other, _)| *other != method);
        self.builder.push((method, argument));
        is_new
    }

    /// The arguments of `run_main` before the future. `None` if no option asks for it.
    pub(crate) fn arguments(&self, path: TokenStream) -> Option<TokenStream> {
        if self.builder.is_empty() && self.shutdown_grace_ms.is_none() {
            return None;
        }
        let mut arguments = source("::core::option::Option::");
        if self.builder.is_empty() {
            arguments.extend(source("None"));
        } else {
            let mut builder = path;
            builder.extend(source("::runtime::Builder::from_env()"));
            for (method, argument) in &self.builder {
                builder.extend(source(&format!(".{method}")));
                builder.extend([parenthesised(argument.clone().into())]);
            }
            arguments.extend(source("Some"));
            arguments.extend([parenthesised(builder)]);
        }
        arguments.extend(source(",::core::option::Option::"));
        match self.shutdown_grace_ms {
            None => arguments.extend(source("None")),
            Some(grace_ms) => {
                let mut grace = source("::core::time::Duration::from_millis");
                let number = TokenTree::Literal(Literal::u64_suffixed(grace_ms));
                grace.extend([parenthesised(number.into())]);
                arguments.extend(source("Some"));
                arguments.extend([parenthesised(grace)]);
            }
        }
        arguments.extend(source(","));
        Some(arguments)
    }
}

impl Role {
    /// The text that lists the attribute's options.
    fn expected(self) -> &'static str {
        match self {
            Role::Main => {
                "the options of this attribute are `workers = 4`, `max_blocking_threads = 64`, \
                 `thread_name = \"bees\"`, `shutdown_grace = \"10s\"` and `crate = path`"
            }
            Role::Test => {
                "the options of this attribute are `simulate = 20`, `deadlock = false` and \
                 `crate = path`"
            }
            Role::PlainMain | Role::PlainTest => {
                "the only option of this attribute is `crate = path`"
            }
        }
    }
}

fn parenthesised(tokens: TokenStream) -> TokenTree {
    TokenTree::Group(Group::new(Delimiter::Parenthesis, tokens))
}

/// The only token of a value, also from inside the invisible group of a macro's argument.
fn only<'a>(value: &'a [TokenTree], message: &'static str) -> Result<&'a TokenTree, SyntaxError> {
    match value {
        [token] => Ok(token),
        _ => {
            let span = value.get(1).map_or_else(Span::call_site, TokenTree::span);
            Err(SyntaxError { message, span })
        }
    }
}

/// A literal without a type's suffix for which `is_valid` holds.
fn number(
    value: &[TokenTree],
    is_valid: impl FnOnce(u128) -> bool,
    message: &'static str,
) -> Result<TokenTree, SyntaxError> {
    let token = only(value, message)?;
    let number = token.to_string().replace('_', "").parse::<u128>().ok();
    match number.filter(|number| is_valid(*number)) {
        Some(_) => Ok(token.clone()),
        None => Err(SyntaxError { message, span: token.span() }),
    }
}

/// The text of a plain string literal, with its escapes as written.
fn text(token: &TokenTree) -> Option<String> {
    let literal = token.to_string();
    let text = literal.strip_prefix('"')?.strip_suffix('"')?;
    Some(text.to_owned())
}

/// Parses `10s`.
fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms)
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, expected) in [
            ("10s", Some(10_000)),
            ("0s", Some(0)),
            ("250ms", Some(250)),
            ("2m", Some(120_000)),
            ("2 min", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("10", None),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("10 parsecs", None),
            ("99999999999999999h", None),
        ] {
            assert_eq!(milliseconds(text), expected, "{text:?}");
        }
    }
}
