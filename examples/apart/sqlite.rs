//! Runs a query on an SQLite database and prints the rows, separated by tabs.
//!
//! ```sh
//! cargo run --manifest-path examples/apart/Cargo.toml --bin sqlite -- my.db 'SELECT * FROM users'
//! ```
//!
//! SQLite blocks, and a connection belongs to one thread at a time. So a blocking closure owns the
//! connection and sends the rows over a bounded channel. A time limit or Ctrl-C interrupts the
//! query at any point.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use reveille::channel::{self, Sender};
use reveille::prelude::*;
use reveille::{io, select, signal, task, time};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

/// Runs a query on an SQLite database and prints the rows, separated by tabs.
#[derive(Parser)]
struct Options {
    /// The file of the database
    database: PathBuf,
    /// The query, such as "SELECT * FROM users WHERE name = ?1"
    query: String,
    /// The values of ?1, ?2 and so on
    values: Vec<String>,
    /// Print the names of the columns first
    #[arg(long)]
    header: bool,
    /// Allow the query to change the database, and to make it if it does not exist
    #[arg(long)]
    write: bool,
    /// Time limit, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
}

/// How many lines may wait to be printed.
const BACKLOG: usize = 64;

fn line(row: &Row<'_>, columns: usize) -> rusqlite::Result<String> {
    let mut line = String::new();
    for index in 0..columns {
        if index > 0 {
            line.push('\t');
        }
        let _ = match row.get_ref(index)? {
            ValueRef::Null => Ok(()),
            ValueRef::Integer(number) => write!(line, "{number}"),
            ValueRef::Real(number) => write!(line, "{number}"),
            ValueRef::Text(text) => write!(line, "{}", String::from_utf8_lossy(text)),
            ValueRef::Blob(bytes) => write!(line, "<{} bytes>", bytes.len()),
        };
    }
    line.push('\n');
    Ok(line)
}

/// Runs the query and sends its rows. It blocks, so it is not for a task.
fn query(
    connection: &Connection,
    options: &Options,
    rows: &Sender<String>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&options.query)?;
    let columns = statement.column_count();
    if options.header {
        let names = statement.column_names().join("\t");
        let _ = task::block_on(rows.send(names + "\n"));
    }
    let mut found = statement.query(rusqlite::params_from_iter(&options.values))?;
    while let Some(row) = found.next()? {
        // Waits for the reader. If it is gone, the other rows are not needed.
        if task::block_on(rows.send(line(row, columns)?)).is_err() {
            break;
        }
    }
    Ok(())
}

async fn run(options: Options) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let limit = Duration::from_secs(options.timeout);
    let access = match options.write {
        true => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        false => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let path = options.database.clone();
    let connection = task::spawn_blocking(move || {
        let connection = Connection::open_with_flags(path, access)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok::<_, rusqlite::Error>(connection)
    });
    let connection = connection.await?;
    let interrupt = connection.get_interrupt_handle();
    let (sender, receiver) = channel::bounded(BACKLOG);
    let running = task::spawn_blocking(move || query(&connection, &options, &sender));
    let printing = async {
        let mut out = io::BufWriter::new(io::stdout());
        while let Ok(line) = receiver.recv().await {
            out.write_all(line.as_bytes()).await?;
        }
        out.flush().await
    };
    let reason = select! {
        printed = printing => {
            printed?;
            return Ok(running.await?);
        },
        _ = time::sleep(limit) => "it took too long",
        _ = signal::ctrl_c() => "interrupted",
    };
    interrupt.interrupt();
    drop(receiver); // the query may be waiting for it
    let _ = running.await;
    Err(reason.into())
}

#[reveille::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sqlite: {error:#}");
            ExitCode::FAILURE
        }
    }
}
