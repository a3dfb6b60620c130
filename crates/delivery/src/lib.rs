//! The deliver path: repo, objects, sync and cluster bound into plan, apply, diff and status.
