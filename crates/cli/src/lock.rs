//! A `Cargo.lock`, read.
//!
//! Cargo writes a small part of TOML: blocks, each a header and lines of `key = "value"`, and one
//! list per block. All versions of the format are read. A dependency is written as briefly as is
//! unambiguous (`name`, `name version`, `name version (source)`), and becomes the number of the
//! package it means. What is not of this form is refused with its line: a wrong answer would be
//! worse than none.

use std::fmt;

/// One package of the tree.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Where it is from; none for what lies in a folder, as one's own packages do.
    pub(crate) source: Option<String>,
    /// The packages it depends on, by their place in the file.
    pub(crate) dependencies: Vec<usize>,
}

/// Why a file is not a `Cargo.lock`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    line: usize,
    what: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// A block as it stands there.
#[derive(Default)]
struct Block {
    line: usize,
    name: Option<String>,
    version: Option<String>,
    source: Option<String>,
    /// Each with its line.
    dependencies: Vec<(usize, String)>,
}

/// Reads the packages of a lock file.
pub(crate) fn parse(text: &str) -> Result<Vec<Package>, Malformed> {
    let blocks = blocks(text)?;
    if blocks.is_empty() {
        return Err(malformed(text.lines().count(), "no package up to here: no lock file"));
    }
    let mut packages = Vec::new();
    for block in &blocks {
        let missing = |what: &str| malformed(block.line, format!("a package without a {what}"));
        packages.push(Package {
            name: block.name.clone().ok_or_else(|| missing("name"))?,
            version: block.version.clone().ok_or_else(|| missing("version"))?,
            source: block.source.clone(),
            dependencies: Vec::new(),
        });
    }
    for (number, block) in blocks.iter().enumerate() {
        for (line, words) in &block.dependencies {
            let found = find(&packages, words).map_err(|what| malformed(*line, what))?;
            packages[number].dependencies.push(found);
        }
    }
    Ok(packages)
}

fn malformed(line: usize, what: impl Into<String>) -> Malformed {
    Malformed { line, what: what.into() }
}

/// The blocks of packages. Others, the checksums of old formats among them, are passed over.
fn blocks(text: &str) -> Result<Vec<Block>, Malformed> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_package = false;
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    while let Some((number, line)) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('[') {
            // `[root]` is what the package itself was called once.
            is_package = line == "[[package]]" || line == "[root]";
            if !line.ends_with(']') {
                return Err(malformed(number, "a header without an end"));
            }
            if is_package {
                blocks.push(Block { line: number, ..Block::default() });
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            return Err(malformed(number, "neither a header nor `key = value`"));
        };
        let (key, value) = (key.trim(), value.trim());
        let Some(block) = blocks.last_mut().filter(|_| is_package) else { continue };
        match key {
            "name" => block.name = Some(string(number, value)?),
            "version" => block.version = Some(string(number, value)?),
            "source" => block.source = Some(string(number, value)?),
            "dependencies" => {
                block.dependencies = list(number, value, &mut lines)?;
            }
            _ => {}
        }
    }
    Ok(blocks)
}

/// The words of a list, which goes on until a line that ends it.
fn list<'a>(
    start: usize,
    first: &'a str,
    lines: &mut impl Iterator<Item = (usize, &'a str)>,
) -> Result<Vec<(usize, String)>, Malformed> {
    let mut words = Vec::new();
    let Some(first) = first.strip_prefix('[') else {
        return Err(malformed(start, "dependencies that are no list"));
    };
    let mut next = Some((start, first));
    while let Some((number, line)) = next {
        let (content, is_end) = match line.strip_suffix(']') {
            Some(content) => (content, true),
            None => (line, false),
        };
        for word in content.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            words.push((number, string(number, word)?));
        }
        if is_end {
            return Ok(words);
        }
        next = lines.next();
    }
    Err(malformed(start, "a list without an end"))
}

/// What stands between the quotes. Names, versions and addresses need no escapes.
fn string(line: usize, value: &str) -> Result<String, Malformed> {
    let content = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match content {
        Some(content) if !content.contains(['"', '\\']) => Ok(content.to_owned()),
        _ => Err(malformed(line, format!("`{value}` is no string"))),
    }
}

/// The package that a dependency means.
fn find(packages: &[Package], words: &str) -> Result<usize, String> {
    let mut parts = words.splitn(3, ' ');
    let name = parts.next().unwrap_or_default();
    let (version, source) = (parts.next(), parts.next());
    let source = source.map(|source| source.trim_matches(['(', ')']));
    let is_it = |package: &Package| {
        package.name == name
            && version.is_none_or(|version| package.version == version)
            && source.is_none_or(|source| package.source.as_deref() == Some(source))
    };
    let mut found = packages.iter().enumerate().filter(|(_, package)| is_it(package));
    match (found.next(), found.next()) {
        (Some((number, _)), None) => Ok(number),
        (None, _) => Err(format!("no package is `{words}`")),
        (Some(_), Some(_)) => Err(format!("more than one package is `{words}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_naming_a_dependency_finds_its_package() {
        let text = r#"
version = 3
[[package]]
name = "a"
version = "1.0.0"
dependencies = ["b 1.0.0", "b 2.0.0 (registry+x)",
 "c",
]
[[package]]
name = "b"
version = "1.0.0"
source = "registry+x"
[[package]]
name = "b"
version = "2.0.0"
source = "registry+x"
checksum = "00"
[[package]]
name = "c"
version = "0.1.0"
[metadata]
"checksum b 1.0.0 (registry+x)" = "00"
"#;
        let packages = parse(text).unwrap();
        assert_eq!(packages[0].dependencies, [1, 2, 3]);
        assert_eq!(
            (packages[1].source.as_deref(), packages[3].source.as_deref()),
            (Some("registry+x"), None)
        );
    }

    #[test]
    fn what_is_malformed_is_refused_with_its_line() {
        let package = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n";
        for (text, expected) in [
            ("hello".to_owned(), "line 1: neither a header nor `key = value`"),
            ("\n[[package".to_owned(), "line 2: a header without an end"),
            ("[[package]]\nname = a".to_owned(), "line 2: `a` is no string"),
            ("[[package]]\nname = \"a\"".to_owned(), "line 1: a package without a version"),
            ("[[package]]\nversion = \"1\"".to_owned(), "line 1: a package without a name"),
            ("[package]\nname = \"a\"".to_owned(), "line 2: no package up to here: no lock file"),
            (format!("{package}dependencies = 3"), "line 4: dependencies that are no list"),
            (format!("{package}dependencies = [\n \"a\","), "line 4: a list without an end"),
            (format!("{package}dependencies = [\n a,\n]"), "line 5: `a` is no string"),
            (format!("{package}dependencies = [\"b\"]"), "line 4: no package is `b`"),
            (
                format!("{package}{package}dependencies = [\"a\"]"),
                "line 7: more than one package is `a`",
            ),
        ] {
            assert_eq!(parse(&text).unwrap_err().to_string(), expected, "{text}");
        }
    }
}
