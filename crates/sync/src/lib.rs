//! The GitOps engine: desired set and observed set in, plan of operations out. Pure.
