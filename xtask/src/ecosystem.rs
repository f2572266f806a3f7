//! The recipes of `examples/ecosystem`: other people's crates on reveille.

use std::env;
use std::process::Stdio;

use crate::shell::{self, Outcome};

/// The programs in `examples/ecosystem/src/bin`, and the server that each needs. Each is a feature,
/// too, so that it is built alone.
const RECIPES: [(&str, Server); 6] = [
    ("amqp", Server::RabbitMq),
    ("dbus", Server::Bus),
    ("grpc", Server::Own),
    ("middleware", Server::Own),
    ("tls", Server::Own),
    ("traces", Server::Own),
];

/// The server of a recipe.
#[derive(Clone, Copy)]
enum Server {
    /// It is part of the program.
    Own,
    /// A message bus, which `dbus-run-session` starts and ends.
    Bus,
    /// RabbitMQ, whose address is in `AMQP_ADDR`.
    RabbitMq,
}

impl Server {
    /// What the machine lacks to run the recipe.
    fn missing(self) -> Option<&'static str> {
        match self {
            Server::Bus if !is_installed("dbus-run-session") => {
                Some("the program dbus-run-session")
            }
            Server::RabbitMq if env::var_os("AMQP_ADDR").is_none() => {
                Some("a RabbitMQ, whose address is in AMQP_ADDR")
            }
            _ => None,
        }
    }
}

/// Builds and runs these recipes, or all. A recipe without its server is left out, unless it was
/// asked for.
pub(crate) fn run(names: &[&str]) -> Outcome {
    if let Some(unknown) = names.iter().find(|name| !RECIPES.iter().any(|(own, _)| own == *name)) {
        return Err(format!("examples/ecosystem has no recipe `{unknown}`"));
    }
    let is_chosen = |name: &str| names.is_empty() || names.contains(&name);
    for (name, server) in RECIPES.into_iter().filter(|(name, _)| is_chosen(name)) {
        match server.missing() {
            Some(missing) if names.is_empty() => println!("NOT RUN: {name} needs {missing}"),
            Some(missing) => return Err(format!("{name} needs {missing}")),
            None => run_recipe(name, server)?,
        }
    }
    Ok(())
}

fn run_recipe(name: &str, server: Server) -> Outcome {
    let recipe = format!(
        "run --locked --quiet --manifest-path examples/ecosystem/Cargo.toml \
         --no-default-features --features {name} --bin {name}"
    );
    match server {
        Server::Own | Server::RabbitMq => shell::run(shell::cargo().args(shell::words(&recipe))),
        Server::Bus => {
            let mut session = shell::program("dbus-run-session");
            shell::run(session.args(["--", "cargo"]).args(shell::words(&recipe)))
        }
    }
}

fn is_installed(name: &str) -> bool {
    shell::succeeds(shell::program(name).arg("--version").stderr(Stdio::null()))
}
