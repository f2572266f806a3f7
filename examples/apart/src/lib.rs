//! The programs are beside this folder: hasher, sqlite and websocket.
