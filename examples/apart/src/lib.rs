//! An empty library: the programs hasher, sqlite, static_files and websocket are beside this folder.
