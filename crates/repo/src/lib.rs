//! The port to Git: fetch one revision of a tree, shallow and without a work tree.
