//! An empty library. Beside this folder are the programs hasher, sqlite, static_files, websocket.
