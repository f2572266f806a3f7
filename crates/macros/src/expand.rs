//! Checks a function and generates the one that replaces it.

use proc_macro::{Delimiter, Group, Ident, TokenStream, TokenTree};

use crate::options::Options;
use crate::parse::{Function, SyntaxError};

/// The kind of function to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The entry point of a program.
    Main,
    /// The entry point of a program of async-std, whose attribute has no options.
    PlainMain,
    /// A test.
    Test,
    /// A test of a program of async-std, whose attribute has no options.
    PlainTest,
}

impl Role {
    fn is_main(self) -> bool {
        matches!(self, Role::Main | Role::PlainMain)
    }
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
        let options = Options::parse(attribute, role)?;
        let path = options.path.clone().unwrap_or_else(|| source(default_path));
        Ok(generate(role, &options, path, function))
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
    if role.is_main() && function.name.to_string() != "main" {
        return refuse(
            "only the function called `main` can be the entry point",
            function.name.span(),
        );
    }
    if let Some(span) = function.generics {
        return refuse(
            match role {
                Role::Main | Role::PlainMain => {
                    "`main` cannot be generic: it is called without type arguments"
                }
                Role::Test | Role::PlainTest => {
                    "a test cannot be generic: it is called without type arguments"
                }
            },
            span,
        );
    }
    if !function.parameters.stream().is_empty() {
        return refuse(
            match role {
                Role::Main | Role::PlainMain => {
                    "`main` takes no arguments: read them from `std::env::args`"
                }
                Role::Test | Role::PlainTest => {
                    "a test takes no arguments: the test harness passes none"
                }
            },
            function.parameters.span(),
        );
    }
    Ok(())
}

/// Generates the plain function around the asynchronous one.
///
/// The future of `main` goes to `task::block_on`, or with options to the hidden
/// `runtime::run_main`. A test passes its name and its function to the hidden
/// `observe::run_named_test`, or with seeds to the hidden `sim::run_test`. The latter returns
/// nothing, because the function returns its value in other processes.
fn generate(role: Role, options: &Options, path: TokenStream, function: Function) -> TokenStream {
    let Function {
        attributes, visibility, qualifiers, keyword, name, parameters, rest, body, ..
    } = function;

    let mut outer = TokenStream::new();
    if !role.is_main() {
        outer.extend(source("#[::core::prelude::v1::test]"));
    }
    outer.extend(attributes);
    outer.extend(visibility);
    outer.extend([
        TokenTree::Ident(keyword.clone()),
        TokenTree::Ident(name.clone()),
        TokenTree::Group(parameters.clone()),
    ]);
    if options.seeds.is_none() {
        outer.extend(rest.clone());
    }

    let mut block = TokenStream::new();
    block.extend(qualifiers);
    block.extend([
        TokenTree::Ident(keyword),
        TokenTree::Ident(name.clone()),
        TokenTree::Group(parameters),
    ]);
    block.extend(rest);
    block.extend([TokenTree::Group(body)]);
    let mut call = TokenStream::new();
    block.extend(path.clone());
    if !role.is_main() {
        let run =
            if options.seeds.is_some() { "::sim::run_test" } else { "::observe::run_named_test" };
        block.extend(source(run));
        call.extend(test_arguments(role, options, &name));
        call.extend([TokenTree::Ident(name)]);
    } else {
        match options.arguments(path) {
            None => block.extend(source("::task::block_on")),
            Some(arguments) => {
                block.extend(source("::runtime::run_main"));
                call.extend(arguments);
            }
        }
        call.extend([
            TokenTree::Ident(name),
            TokenTree::Group(Group::new(Delimiter::Parenthesis, TokenStream::new())),
        ]);
    }
    block.extend([TokenTree::Group(Group::new(Delimiter::Parenthesis, call))]);

    outer.extend([TokenTree::Group(Group::new(Delimiter::Brace, block))]);
    outer
}

/// The arguments of `run_test` before the test's function: the number of seeds if there is one, the
/// name of the test, and whether it fails when it is deadlocked. Tests of async-std do not.
fn test_arguments(role: Role, options: &Options, name: &Ident) -> TokenStream {
    let mut arguments = TokenStream::new();
    if let Some(seeds) = &options.seeds {
        arguments.extend([seeds.clone()]);
        arguments.extend(source(","));
    }
    let name = name.to_string();
    let fails = role == Role::Test && options.fails_on_deadlock;
    arguments.extend(source(&format!(
        "::core::concat!(::core::module_path!(), \"::\", ::core::stringify!({name})), {fails},"
    )));
    arguments
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
    if role.is_main() {
        tokens.extend(source("fn main() {}"));
    }
    tokens
}

/// Lexes tokens that are written in this crate.
pub(crate) fn source(text: &str) -> TokenStream {
    text.parse().expect("the text is one of this crate's, and it lexes")
}
