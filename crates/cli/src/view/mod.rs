//! `reveille view`: reads a trace and shows it in one of several forms.

mod awaits;
mod figures;
mod folded;
mod html;
mod pack;
mod perfetto;
mod reason;
mod speedscope;
mod summary;
mod waited;

use std::fs;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use reveille_trace::Trace;

use crate::arguments::View;
use crate::output;

/// Reads the trace and writes what `options` ask for.
pub(crate) fn run(options: &View) -> Result<(), String> {
    let trace = read(&options.file)?;
    let form = &options.form;
    if let Some(path) = &form.perfetto {
        output::check_apart(&options.file, path)?;
        output::write(path, &perfetto::encode(&trace))?;
        return note(path, "open it in https://ui.perfetto.dev");
    }
    let text = match (form.summary, form.folded, form.speedscope) {
        (true, _, _) => summary::text(&trace),
        (_, true, _) => folded::text(&trace),
        (_, _, true) => speedscope::json(&trace),
        _ => return page(options, &trace),
    };
    match &options.output {
        None => output::print(text.as_bytes()),
        Some(path) => {
            output::check_apart(&options.file, path)?;
            output::write(path, text.as_bytes())
        }
    }
}

/// Reads a trace, and prints on standard error what is missing in it.
fn read(path: &Path) -> Result<Trace, String> {
    let name = path.display();
    let bytes = match path == Path::new("-") {
        true => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        }
        false => fs::read(path),
    };
    let bytes = bytes.map_err(|error| format!("cannot read {name}: {error}"))?;
    let trace = Trace::read(&bytes).map_err(|error| format!("cannot read {name}: {error}"))?;
    for missing in &trace.missing {
        eprintln!("reveille: {name}: {missing}");
    }
    Ok(trace)
}

/// Writes the page, by default beside the trace.
fn page(options: &View, trace: &Trace) -> Result<(), String> {
    let path = match &options.output {
        Some(path) => path.clone(),
        None => default_path(&options.file)?,
    };
    output::check_apart(&options.file, &path)?;
    output::write(&path, html::page(trace)?.as_bytes())?;
    note(&path, "open it in a browser")
}

/// Prints on standard error which file was written, if standard error is a terminal.
fn note(path: &Path, what_next: &str) -> Result<(), String> {
    if path != Path::new("-") && std::io::stderr().is_terminal() {
        eprintln!("wrote {}: {what_next}", path.display());
    }
    Ok(())
}

/// Returns the name of the page for a trace. An existing file of that name is replaced only if it
/// is a page too.
fn default_path(trace: &Path) -> Result<PathBuf, String> {
    if trace == Path::new("-") {
        return Ok(PathBuf::from("-"));
    }
    let path = trace.with_extension("html");
    if path.exists() && !is_page(&path) {
        return Err(format!(
            "{} is there and is not a page of `reveille view`: name another file with --output",
            path.display()
        ));
    }
    Ok(path)
}

/// Returns whether a file begins like one of our pages.
fn is_page(path: &Path) -> bool {
    let begin = |path: &Path| {
        let mut file = fs::File::open(path)?;
        let mut bytes = vec![0; html::BEGIN.len()];
        file.read_exact(&mut bytes).map(|()| bytes)
    };
    begin(path).is_ok_and(|bytes| bytes == html::BEGIN.as_bytes())
}
