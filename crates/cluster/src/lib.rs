//! The port to Kubernetes: client, discovery, apply, watch, lease, events, work queue.
