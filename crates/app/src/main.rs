//! The door of Orlop.
fn main() {}
