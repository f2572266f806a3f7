//! A place for the tests beside it: a package needs a library.
