//! Checks a function and generates the one that replaces it.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

use crate::parse::{Function, SyntaxError};

/// The kind of function to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The entry point of a program.
    Main,
    /// A test.
    Test,
}

/// Expands `item`, or generates a compile error that says what is wrong with it.
pub(crate) fn attribute(
    role: Role,
    default_path: &str,
    attribute: TokenStream,
    item: TokenStream,
) -> TokenStream {
    let expanded = Function::parse(item.clone()).and_then(|function| {
        check(role, &function)?;
        let path = crate_path(attribute, default_path)?;
        Ok(generate(role, path, function))
    });
    expanded.unwrap_or_else(|error| compile_error(role, &error))
}

/// Refuses a function that the attribute does not support.
fn check(role: Role, function: &Function) -> Result<(), SyntaxError> {
    let refuse = |message, span| Err(SyntaxError { message, span });
    if !function.is_async() {
        return refuse(
            "the `async` keyword is missing from the function declaration",
            function.keyword.span(),
        );
    }
    if role == Role::Main && function.name.to_string() != "main" {
        return refuse(
            "only the function called `main` can be the entry point",
            function.name.span(),
        );
    }
    if let Some(span) = function.generics {
        return refuse(
            match role {
                Role::Main => "`main` cannot be generic: it is called without type arguments",
                Role::Test => "a test cannot be generic: it is called without type arguments",
            },
            span,
        );
    }
    if !function.parameters.stream().is_empty() {
        return refuse(
            match role {
                Role::Main => "`main` takes no arguments: read them from `std::env::args`",
                Role::Test => "a test takes no arguments: the test harness passes none",
            },
            function.parameters.span(),
        );
    }
    Ok(())
}

/// Returns the path of the crate whose `task::block_on` is called: `crate = path`, or the default.
fn crate_path(attribute: TokenStream, default: &str) -> Result<TokenStream, SyntaxError> {
    let mut tokens = attribute.into_iter();
    let Some(first) = tokens.next() else {
        return Ok(source(default));
    };
    let is_crate = matches!(&first, TokenTree::Ident(word) if word.to_string() == "crate");
    let equals = tokens.next();
    let is_equals = matches!(&equals, Some(TokenTree::Punct(sign)) if sign.as_char() == '=');
    let path: TokenStream = tokens.collect();
    if !is_crate || !is_equals || path.is_empty() {
        return Err(SyntaxError {
            message: "the only option of this attribute is `crate = path`",
            span: first.span(),
        });
    }
    Ok(path)
}

/// Generates the plain function around the asynchronous one.
fn generate(role: Role, path: TokenStream, function: Function) -> TokenStream {
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

/// Generates `compile_error!` at the wrong token. For `main` it also generates an empty `main`, so
/// that the compiler does not report a missing entry point as well.
fn compile_error(role: Role, error: &SyntaxError) -> TokenStream {
    let message = TokenTree::Literal(proc_macro::Literal::string(error.message));
    let mut text = Group::new(Delimiter::Brace, TokenStream::from(message));
    text.set_span(error.span);
    let mut tokens: TokenStream = source("::core::compile_error!")
        .into_iter()
        .map(|mut token| {
            token.set_span(error.span);
            token
        })
        .collect();
    tokens.extend([TokenTree::Group(text)]);
    if role == Role::Main {
        tokens.extend(source("fn main() {}"));
    }
    tokens
}

/// Lexes tokens that are written in this file.
fn source(text: &str) -> TokenStream {
    text.parse().expect("the text is a literal of this file, and it lexes")
}
