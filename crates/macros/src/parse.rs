//! Finds the parts of a function in its tokens.
//!
//! A function is `attributes visibility qualifiers fn name generics (parameters) rest {body}`. Only
//! the parts that this crate moves or checks have a field. The rest stays as it is, with its spans,
//! so that the compiler's messages point at the user's source.
//!
//! Tokens from a `macro_rules!` can be wrapped in invisible groups (`$vis`, `$body`). [`Cursor`]
//! unwraps those where it expects a visibility or a body.

use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

/// An error in the item, and where to show it.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    /// What is wrong, and what to do.
    pub(crate) message: &'static str,
    /// The position of the wrong token.
    pub(crate) span: Span,
}

impl SyntaxError {
    fn new(message: &'static str, span: Span) -> SyntaxError {
        SyntaxError { message, span }
    }
}

/// The parts of a function item.
#[derive(Debug)]
pub(crate) struct Function {
    /// Outer attributes, documentation included.
    pub(crate) attributes: TokenStream,
    /// `pub` and its restriction, if any.
    pub(crate) visibility: TokenStream,
    /// The tokens between visibility and `fn`: `async`, `const`, `unsafe`, `extern "C"`.
    pub(crate) qualifiers: Vec<TokenTree>,
    /// The keyword `fn` itself.
    pub(crate) keyword: Ident,
    /// The function's name.
    pub(crate) name: Ident,
    /// The position of the `<..>` after the name, if any.
    pub(crate) generics: Option<Span>,
    /// The parenthesised parameters.
    pub(crate) parameters: Group,
    /// Return type and `where` clause.
    pub(crate) rest: TokenStream,
    /// The body with its braces.
    pub(crate) body: Group,
}

impl Function {
    /// Splits an item into its parts.
    pub(crate) fn parse(item: TokenStream) -> Result<Function, SyntaxError> {
        let mut cursor = Cursor::new(item);
        let attributes = cursor.attributes();
        let visibility = cursor.visibility();
        let (qualifiers, keyword) = cursor.qualifiers()?;
        let name = cursor.name()?;
        let (generics, parameters) = cursor.parameters()?;
        let (rest, body) = cursor.rest_and_body()?;
        Ok(Function {
            attributes,
            visibility,
            qualifiers,
            keyword,
            name,
            generics,
            parameters,
            rest,
            body,
        })
    }

    /// Whether `async` is one of the qualifiers.
    pub(crate) fn is_async(&self) -> bool {
        self.qualifiers.iter().any(|token| is_word(token, "async"))
    }
}

/// A position in the tokens of an item.
struct Cursor {
    tokens: std::iter::Peekable<std::vec::IntoIter<TokenTree>>,
    /// The position for an error if the tokens end too early.
    last: Span,
}

impl Cursor {
    fn new(item: TokenStream) -> Cursor {
        let tokens: Vec<TokenTree> = item.into_iter().collect();
        Cursor { tokens: tokens.into_iter().peekable(), last: Span::call_site() }
    }

    fn next(&mut self) -> Option<TokenTree> {
        let token = self.tokens.next()?;
        self.last = token.span();
        Some(token)
    }

    /// Takes all attributes, `#[..]`.
    fn attributes(&mut self) -> TokenStream {
        let mut attributes = Vec::new();
        while self.tokens.peek().is_some_and(|token| is_punct(token, '#')) {
            attributes.extend(self.next());
            attributes.extend(self.next());
        }
        attributes.into_iter().collect()
    }

    /// Takes `pub` or `pub(..)`, also in an invisible group, if it is there.
    fn visibility(&mut self) -> TokenStream {
        let mut visibility = Vec::new();
        if self.tokens.peek().is_some_and(is_wrapped_visibility) {
            visibility.extend(self.next());
        } else if self.tokens.peek().is_some_and(|token| is_word(token, "pub")) {
            visibility.extend(self.next());
            let restricted = |token: &TokenTree| group(token, Delimiter::Parenthesis).is_some();
            if self.tokens.peek().is_some_and(restricted) {
                visibility.extend(self.next());
            }
        }
        visibility.into_iter().collect()
    }

    /// Takes everything up to and including `fn`.
    fn qualifiers(&mut self) -> Result<(Vec<TokenTree>, Ident), SyntaxError> {
        let mut qualifiers = Vec::new();
        while let Some(token) = self.next() {
            match token {
                TokenTree::Ident(word) if word.to_string() == "fn" => {
                    return Ok((qualifiers, word));
                }
                TokenTree::Ident(_) | TokenTree::Literal(_) => qualifiers.push(token),
                other => return Err(not_a_function(other.span())),
            }
        }
        Err(not_a_function(qualifiers.first().map_or(self.last, TokenTree::span)))
    }

    fn name(&mut self) -> Result<Ident, SyntaxError> {
        match self.next() {
            Some(TokenTree::Ident(name)) => Ok(name),
            _ => Err(not_a_function(self.last)),
        }
    }

    /// Takes generics and parameters. Of the generics only the position is kept, for the error that
    /// refuses them.
    fn parameters(&mut self) -> Result<(Option<Span>, Group), SyntaxError> {
        let mut generics = None;
        while let Some(token) = self.next() {
            if let Some(parameters) = group(&token, Delimiter::Parenthesis) {
                return Ok((generics, parameters));
            }
            generics.get_or_insert(token.span());
        }
        Err(not_a_function(self.last))
    }

    /// Takes the return type, the `where` clause and the body, which is the last token.
    fn rest_and_body(&mut self) -> Result<(TokenStream, Group), SyntaxError> {
        let mut rest: Vec<TokenTree> = Vec::new();
        while let Some(token) = self.next() {
            rest.push(token);
        }
        let body = rest.pop().as_ref().and_then(body_of);
        match body {
            Some(body) => Ok((rest.into_iter().collect(), body)),
            None => Err(SyntaxError::new("the function has no body", self.last)),
        }
    }
}

fn not_a_function(span: Span) -> SyntaxError {
    SyntaxError::new("expected an `async fn`: this attribute belongs on a function", span)
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}

pub(crate) fn is_punct(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn group(token: &TokenTree, delimiter: Delimiter) -> Option<Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == delimiter => Some(group.clone()),
        _ => None,
    }
}

/// Whether a token is an invisible group with a visibility, which can be empty.
fn is_wrapped_visibility(token: &TokenTree) -> bool {
    group(token, Delimiter::None).is_some_and(|wrapped| {
        wrapped
            .stream()
            .into_iter()
            .all(|token| is_word(&token, "pub") || group(&token, Delimiter::Parenthesis).is_some())
    })
}

/// Returns the body with its braces, also from inside invisible groups.
fn body_of(token: &TokenTree) -> Option<Group> {
    if let Some(body) = group(token, Delimiter::Brace) {
        return Some(body);
    }
    let mut wrapped = group(token, Delimiter::None)?.stream().into_iter();
    let only = wrapped.next()?;
    if wrapped.next().is_some() {
        return None;
    }
    body_of(&only)
}
