//! Files as SOPS writes them: one made by the real program, the others by an encryptor that is
//! written from the description of the formats and shares nothing with the decryptor.
//!
//! Files of the real `age` are made where it is on this machine; otherwise the test prints `SKIP`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests fail by panicking"
)]

mod age_program;
mod encryptor;
mod refused;
mod whole;
