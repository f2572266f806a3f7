//! Judges a function and writes the one that replaces it.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

use crate::parse::{Complaint, Function};

/// What the function becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The entry point of a program.
    Main,
    /// A test.
    Test,
}

/// Expands `item`, or says what is wrong with it.
pub(crate) fn attribute(
    role: Role,
    default_path: &str,
    attribute: TokenStream,
    item: TokenStream,
) -> TokenStream {
    let expanded = Function::parse(item.clone()).and_then(|function| {
        judge(role, &function)?;
        let path = crate_path(attribute, default_path)?;
        Ok(write(role, path, function))
    });
    expanded.unwrap_or_else(|complaint| refuse(role, &complaint))
}

/// Refuses a function the attribute cannot serve.
fn judge(role: Role, function: &Function) -> Result<(), Complaint> {
    let complain = |message, span| Err(Complaint { message, span });
    if !function.is_async() {
        return complain(
            "the `async` keyword is missing from the function declaration",
            function.keyword.span(),
        );
    }
    if role == Role::Main && function.name.to_string() != "main" {
        return complain(
            "only the function called `main` can be the entry point",
            function.name.span(),
        );
    }
    if let Some(span) = function.generics {
        return complain(
            match role {
                Role::Main => "`main` cannot be generic: nobody calls it with a type",
                Role::Test => "a test cannot be generic: nobody calls it with a type",
            },
            span,
        );
    }
    if !function.parameters.stream().is_empty() {
        return complain(
            match role {
                Role::Main => "`main` takes no arguments: read them from `std::env::args`",
                Role::Test => "a test takes no arguments: nobody would pass them",
            },
            function.parameters.span(),
        );
    }
    Ok(())
}

/// The path of the crate whose `task::block_on` is called: `crate = path`, or the default.
fn crate_path(attribute: TokenStream, default: &str) -> Result<TokenStream, Complaint> {
    let mut tokens = attribute.into_iter();
    let Some(first) = tokens.next() else {
        return Ok(source(default));
    };
    let is_crate = matches!(&first, TokenTree::Ident(word) if word.to_string() == "crate");
    let equals = tokens.next();
    let is_equals = matches!(&equals, Some(TokenTree::Punct(sign)) if sign.as_char() == '=');
    let path: TokenStream = tokens.collect();
    if !is_crate || !is_equals || path.is_empty() {
        return Err(Complaint {
            message: "the only option of this attribute is `crate = path`",
            span: first.span(),
        });
    }
    Ok(path)
}

/// The plain function around the asynchronous one.
fn write(role: Role, path: TokenStream, function: Function) -> TokenStream {
    let Function {
        attributes, visibility, qualifiers, keyword, name, parameters, rest, body, ..
    } = function;

    let mut outer = TokenStream::new();
    if role == Role::Test {
        outer.extend(source("#[::core::prelude::v1::test]"));
    }
    outer.extend(attributes);
    outer.extend(visibility);
    outer.extend([
        TokenTree::Ident(keyword.clone()),
        TokenTree::Ident(name.clone()),
        TokenTree::Group(parameters.clone()),
    ]);
    outer.extend(rest.clone());

    let mut block = TokenStream::new();
    block.extend(qualifiers);
    block.extend([
        TokenTree::Ident(keyword),
        TokenTree::Ident(name.clone()),
        TokenTree::Group(parameters),
    ]);
    block.extend(rest);
    block.extend([TokenTree::Group(body)]);
    block.extend(path);
    block.extend(source("::task::block_on"));
    let mut call = TokenStream::new();
    call.extend([
        TokenTree::Ident(name),
        TokenTree::Group(Group::new(Delimiter::Parenthesis, TokenStream::new())),
    ]);
    block.extend([TokenTree::Group(Group::new(Delimiter::Parenthesis, call))]);

    outer.extend([TokenTree::Group(Group::new(Delimiter::Brace, block))]);
    outer
}

/// `compile_error!` at the token at fault. A refused `main` leaves an empty one behind, so that the
/// compiler does not also miss the entry point.
fn refuse(role: Role, complaint: &Complaint) -> TokenStream {
    let message = TokenTree::Literal(proc_macro::Literal::string(complaint.message));
    let mut text = Group::new(Delimiter::Brace, TokenStream::from(message));
    text.set_span(complaint.span);
    let mut error: TokenStream = source("::core::compile_error!")
        .into_iter()
        .map(|mut token| {
            token.set_span(complaint.span);
            token
        })
        .collect();
    error.extend([TokenTree::Group(text)]);
    if role == Role::Main {
        error.extend(source("fn main() {}"));
    }
    error
}

/// Tokens of this crate's own making.
fn source(text: &str) -> TokenStream {
    text.parse().expect("the text is a literal of this file, and it lexes")
}
