//! Interned texts, each stored once and referred to by an index.

use std::collections::HashMap;

use crate::trace::TextIndex;

/// Texts by index and by content. The empty text has the index 0.
#[derive(Debug)]
pub(crate) struct Texts {
    texts: Vec<String>,
    indices: HashMap<String, TextIndex>,
}

impl Texts {
    pub(crate) fn new() -> Texts {
        Texts { texts: vec![String::new()], indices: HashMap::from([(String::new(), 0)]) }
    }

    /// Returns the index of a text.
    pub(crate) fn index(&mut self, text: &str) -> TextIndex {
        if let Some(index) = self.indices.get(text) {
            return *index;
        }
        let index = self.texts.len() as TextIndex;
        self.texts.push(text.to_owned());
        self.indices.insert(text.to_owned(), index);
        index
    }

    pub(crate) fn into_texts(self) -> Vec<String> {
        self.texts
    }
}
