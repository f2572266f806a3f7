//! The programs are beside this folder: hasher, sqlite, static_files and websocket.
