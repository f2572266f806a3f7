//! The links of every Markdown file lead somewhere.
//!
//! | link | has to be |
//! |---|---|
//! | `path`, `path#anchor` | a file or folder, from that of the text; a heading of that file |
//! | `#anchor` | a heading of the same text |
//! | a page of this repository at its host | the same, from the root |
//! | another page | `https://`, a host, and no space; nothing is fetched |
//!
//! Blocks of code and words between backticks are not read. The chapters of the guide also become
//! a book (`mdbook build docs/guide`), which has only the chapters, so a link from them to another
//! file is one to a page of this repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::Problem;
use super::tree::Tree;

/// Where the files of this repository are on the web.
const OWN: [&str; 3] = [
    "https://github.com/reveille-rs/reveille/blob/main/",
    "https://github.com/reveille-rs/reveille/tree/main/",
    "https://raw.githubusercontent.com/reveille-rs/reveille/main/",
];

/// The folder whose texts are a book.
const BOOK: &str = "docs/guide/chapters";

/// Files with records of other people's texts.
const EXCUSED: [&str; 1] = ["tests/STRANGERS.md"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let texts: BTreeMap<&Path, String> = tree
        .texts
        .iter()
        .map(|path| (path.as_path(), tree.read(&path.to_string_lossy())))
        .collect();
    let anchors: BTreeMap<&Path, BTreeSet<String>> =
        texts.iter().map(|(path, text)| (*path, anchors(text))).collect();
    let mut problems = Vec::new();
    for (path, text) in texts.iter().filter(|(path, _)| !EXCUSED.map(Path::new).contains(path)) {
        for (line, target) in links(text) {
            let complaint =
                complaint(path, &target, &anchors, |path| tree.root.join(path).exists());
            problems.extend(complaint.map(|message| Problem::at(*path, line, message)));
        }
    }
    problems
}

/// The problem with a link in the text at `from`, if there is one.
fn complaint(
    from: &Path,
    target: &str,
    anchors: &BTreeMap<&Path, BTreeSet<String>>,
    exists: impl Fn(&Path) -> bool,
) -> Option<String> {
    let own = OWN.iter().find_map(|page| target.strip_prefix(page));
    if own.is_none() && target.contains(':') {
        return (!is_well_formed(target))
            .then(|| format!("`{target}` is not the address of a page"));
    }
    let (path, anchor) = match own.unwrap_or(target).split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (own.unwrap_or(target), None),
    };
    let to = match (own, path) {
        (None, "") => from.to_owned(),
        (Some(_), path) => PathBuf::from(path),
        (None, path) => resolved(&from.parent().unwrap_or(Path::new("")).join(path)),
    };
    if own.is_none() && from.starts_with(BOOK) && !to.starts_with(BOOK) {
        return Some(format!("`{target}` leads out of the book: write {}{}", OWN[0], to.display()));
    }
    if !exists(&to) {
        return Some(format!("`{target}`: there is no {}", to.display()));
    }
    let headings = anchors.get(to.as_path())?;
    let anchor = anchor.filter(|anchor| !headings.contains(*anchor))?;
    Some(format!("`{target}`: {} has no heading for #{anchor}", to.display()))
}

fn is_well_formed(target: &str) -> bool {
    if let Some(address) = target.strip_prefix("mailto:") {
        return address.contains('@');
    }
    let Some(rest) = target.strip_prefix("https://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host.contains('.') && !host.starts_with('.') && !target.contains(char::is_whitespace)
}

/// The path without `.` and `..`.
fn resolved(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if out.pop() => {}
            part => out.push(part),
        }
    }
    out
}

/// The lines of a text outside of blocks of code, counted from one.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
            return None;
        }
        (!is_code).then_some((index + 1, line))
    })
}

/// The targets of the links of a text, each with its line.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(line);
        if let Some((name, target)) = line.split_once("]: ")
            && name.starts_with('[')
            && !name.starts_with("[^")
        {
            found.push((number, target.trim().to_owned()));
            continue;
        }
        for rest in line.split("](").skip(1) {
            found.push((number, target_of(rest).to_owned()));
        }
    }
    found
}

/// The text before the bracket that closes a link, without the link's title.
fn target_of(rest: &str) -> &str {
    let mut depth = 0;
    let end = rest.find(|letter| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        depth < 0
    });
    let target = &rest[..end.unwrap_or(rest.len())];
    target.split_once(" \"").map_or(target, |(target, _title)| target)
}

/// The line without the text between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The anchors of the headings of a text, as GitHub and mdbook name them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for (_, line) in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let anchor = anchor(title.trim());
        let count = seen.entry(anchor.clone()).or_default();
        anchors.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    anchors
}

fn anchor(title: &str) -> String {
    // Of a link in a heading only the words count.
    let mut words = String::new();
    let mut rest = title;
    while let Some((before, after)) = rest.split_once("](") {
        words += before;
        rest = &after[target_of(after).len()..];
    }
    words += rest;
    let letters = words.to_lowercase();
    let kept = letters.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# One: `a_b`, two\n[x](other.md#there) and [y](#one-a_b-two)\n\n```sh\n\
                        [z](nowhere)\n```\n`[code](nowhere)`\n## Again\n## Again\n[r]: ../up.md\n\
                        [p](https://one.example/a_(b) \"a title\")\n";

    fn complains(target: &str) -> Option<String> {
        let from = Path::new("docs/page.md");
        let anchors = BTreeMap::from([(from, anchors(TEXT))]);
        complaint(from, target, &anchors, |path| {
            ["docs/page.md", "docs/code.rs", "README.md"].map(Path::new).contains(&path)
        })
    }

    #[test]
    fn links_are_found_outside_of_code() {
        let found = links(TEXT);
        let targets: Vec<&str> = found.iter().map(|(_, target)| target.as_str()).collect();
        let expected = ["other.md#there", "#one-a_b-two", "../up.md", "https://one.example/a_(b)"];
        assert_eq!(targets, expected);
        assert_eq!(found[0].0, 2);
    }

    #[test]
    fn headings_have_the_anchors_that_github_gives_them() {
        let expected = ["again", "again-1", "one-a_b-two"].map(str::to_owned);
        assert_eq!(anchors(TEXT), BTreeSet::from(expected));
        assert_eq!(anchor("[Linux](https://a.example) & others"), "linux--others");
    }

    #[test]
    fn what_is_there_may_be_linked() {
        let own = "https://github.com/reveille-rs/reveille/blob/main/docs/page.md#again-1";
        let raw = "https://raw.githubusercontent.com/reveille-rs/reveille/main/README.md";
        let other = ["https://one.example/x#y", "mailto:a@b.example"];
        for target in ["../README.md", "code.rs#L7", "#again", own, raw].into_iter().chain(other) {
            assert_eq!(complains(target), None, "{target}");
        }
    }

    #[test]
    fn a_link_to_nothing_is_reported() {
        let own = "https://github.com/reveille-rs/reveille/blob/main/docs/gone.md";
        let other = ["http://one.example", "https://nohost/x", "https://a.example/a b"];
        for target in ["gone.md", "../docs/gone.rs", "#again-2", own].into_iter().chain(other) {
            assert!(complains(target).is_some(), "{target}");
        }
        let chapter = Path::new("docs/guide/chapters/faq.md");
        let complains = |target| complaint(chapter, target, &BTreeMap::new(), |_| true);
        assert!(complains("../../../README.md").is_some());
        assert_eq!(complains("glossary.md"), None);
    }
}
