//! An empty library. The programs hasher, sqlite, static_files and websocket are beside this folder.
