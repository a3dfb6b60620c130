//! The controller plane: reconcilers bound to the cluster, leader election, metrics, probes.
