//! Test fixtures: clusters, namespaces, request recorder, fault proxy, Git server. Dev only.
