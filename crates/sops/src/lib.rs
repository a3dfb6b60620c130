//! Documents encrypted by SOPS.
