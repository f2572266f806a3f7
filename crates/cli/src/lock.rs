//! The packages of a `Cargo.lock` as a graph.
//!
//! The crate `cargo-lock` parses the file, in each version of the format. A dependency in the file
//! names its package in the shortest form that is unambiguous. Here it is resolved to the index of
//! that package.

use cargo_lock::{Dependency, Error, Lockfile, SourceId, Version};

/// One package of the tree.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: Version,
    /// Where cargo got the package. `None` means a folder, as for your own packages.
    pub(crate) source: Option<SourceId>,
    /// The packages that it depends on, by index.
    pub(crate) dependencies: Vec<usize>,
}

/// Parses the packages of a lock file.
///
/// # Errors
///
/// Fails if the text is not a lock file, or if a dependency does not name exactly one package.
pub(crate) fn parse(text: &str) -> Result<Vec<Package>, String> {
    let file: Lockfile = text.parse().map_err(|error| match error {
        Error::Parse(message) => message,
        other => other.to_string(),
    })?;
    // Old versions of cargo wrote the package of the folder as `[root]`.
    let packages: Vec<_> = file.packages.into_iter().chain(file.root).collect();
    if packages.is_empty() {
        return Err("not a lock file: it has no packages".to_owned());
    }
    let resolve = |package: &cargo_lock::Package| {
        let dependencies = package.dependencies.iter();
        let found = dependencies.map(|dependency| find(&packages, dependency));
        Ok(Package {
            name: package.name.to_string(),
            version: package.version.clone(),
            source: package.source.clone(),
            dependencies: found
                .collect::<Result<_, String>>()
                .map_err(|message| format!("{} {}: {message}", package.name, package.version))?,
        })
    };
    packages.iter().map(resolve).collect()
}

/// Finds the package that a dependency names.
///
/// Two packages can share a name and a version. Then the sources decide, and for two branches of
/// one git repository the branch. The source of a dependency lacks the commit that the source of
/// the package has; `SourceId`'s equality allows for that.
fn find(packages: &[cargo_lock::Package], dependency: &Dependency) -> Result<usize, String> {
    let reference = |source: &Option<SourceId>| source.as_ref()?.git_reference().cloned();
    let has_version = |index: &usize| dependency.matches(&packages[*index]);
    let has_source = |index: &usize| packages[*index].source == dependency.source;
    let has_reference =
        |index: &usize| reference(&packages[*index].source) == reference(&dependency.source);

    let mut found: Vec<usize> = (0..packages.len()).filter(has_version).collect();
    if found.len() > 1 {
        found.retain(has_source);
    }
    if found.len() > 1 {
        found.retain(has_reference);
    }
    match found[..] {
        [index] => Ok(index),
        [] => Err(format!("no package matches its dependency {dependency}")),
        _ => Err(format!("more than one package matches its dependency {dependency}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the packages that the first package of `text` depends on, as `name version source`.
    fn dependencies_of_first(text: &str) -> Vec<String> {
        let packages = parse(text).unwrap();
        let describe = |index: &usize| {
            let Package { name, version, source, .. } = &packages[*index];
            let source = source.as_ref().map_or("folder".to_owned(), SourceId::to_string);
            format!("{name} {version} {source}")
        };
        packages[0].dependencies.iter().map(describe).collect()
    }

    fn package(name: &str, version: &str, source: &str) -> String {
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\n")
    }

    #[test]
    fn each_way_of_naming_a_dependency_finds_its_package() {
        let text = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
             dependencies = [\"b 1.0.0\", \"b 2.0.0\", \"c\"]\n"
            .to_owned()
            + &package("b", "1.0.0", "registry+https://example.org/index")
            + &package("b", "2.0.0", "registry+https://example.org/index")
            + "[[package]]\nname = \"c\"\nversion = \"0.1.0\"\n";
        let expected = [
            "b 1.0.0 registry+https://example.org/index",
            "b 2.0.0 registry+https://example.org/index",
            "c 0.1.0 folder",
        ];
        assert_eq!(dependencies_of_first(&text), expected);
    }

    #[test]
    fn the_source_decides_between_packages_of_one_version() {
        let git = "git+https://example.org/b";
        let text = format!(
            "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
             dependencies = [\n \"b 1.0.0 ({git}?branch=x)\",\n \"b 1.0.0 ({git}?branch=y)\",\n \
             \"b 1.0.0 (registry+https://example.org/index)\",\n]\n"
        ) + &package("b", "1.0.0", &format!("{git}?branch=x#0123"))
            + &package("b", "1.0.0", &format!("{git}?branch=y#4567"))
            + &package("b", "1.0.0", "registry+https://example.org/index");
        let found = dependencies_of_first(&text);
        assert!(found[0].ends_with("branch=x#0123"), "{found:?}");
        assert!(found[1].ends_with("branch=y#4567"), "{found:?}");
        assert!(found[2].ends_with("registry+https://example.org/index"), "{found:?}");
    }

    #[test]
    fn the_first_format_with_a_root_is_understood() {
        let text = "[root]\nname = \"app\"\nversion = \"0.1.0\"\n\
             dependencies = [\n \"b 1.0.0 (registry+https://example.org/index)\",\n]\n"
            .to_owned()
            + &package("b", "1.0.0", "registry+https://example.org/index")
            + "[metadata]\n\"checksum b 1.0.0 (registry+https://example.org/index)\" = \
               \"0000000000000000000000000000000000000000000000000000000000000000\"\n";
        let packages = parse(&text).unwrap();
        assert_eq!((&*packages[1].name, &packages[1].dependencies[..]), ("app", &[0][..]));
    }

    #[test]
    fn a_malformed_file_is_refused_with_the_reason() {
        let a = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n";
        for (text, expected) in [
            ("hello".to_owned(), "line 1"),
            ("\n[[package".to_owned(), "line 2"),
            ("[[package]]\nname = a".to_owned(), "line 2"),
            ("[[package]]\nname = \"a\"".to_owned(), "missing field `version`"),
            ("[[package]]\nversion = \"1.0.0\"".to_owned(), "missing field `name`"),
            (String::new(), "it has no packages"),
            ("version = 99\n".to_owned() + a, "format version: `99`"),
            (format!("{a}dependencies = 3"), "line 4"),
            (format!("{a}dependencies = [\n \"a\","), "line 5"),
            (format!("{a}dependencies = [\"b\"]"), "couldn't resolve dependency: b"),
            (format!("{a}dependencies = [\"b 1.0.0\"]"), "a 1.0.0: no package matches"),
            (format!("{a}{a}dependencies = [\"a\"]"), "a 1.0.0: more than one package matches"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
