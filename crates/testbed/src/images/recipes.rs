//! The images that this project makes. A new one is a constant here.

use super::Spec;

/// The first process of every pod's sandbox.
pub const PAUSE: Spec = Spec {
    reference: "local.test/pause:3.6",
    entrypoint: &["/pause"],
    arguments: &[],
    writable: &[],
    workdir: "/",
    ports: &[],
};

/// The small web service of the demo.
pub const WEB: Spec = Spec {
    reference: "orlop.dev/demo-web:v1",
    entrypoint: &["/web"],
    arguments: &[],
    writable: &[],
    workdir: "/",
    ports: &[8080],
};

/// This project's own program as the controller runs it, with the shared libraries that it was
/// linked to. The tag is the one in `deploy/`.
pub const ORLOP: Spec = Spec {
    reference: concat!("orlop.dev/orlop:", env!("CARGO_PKG_VERSION")),
    entrypoint: &["/usr/bin/orlop"],
    arguments: &[],
    writable: &["/var/cache/orlop"],
    workdir: "/",
    ports: &[8080],
};

/// Redis of this host's Debian, with redis-cli and a busybox shell. It keeps its data in `/data`,
/// which belongs to the user it runs as: with a folder that it cannot write, Redis neither
/// replicates nor ends on SIGTERM.
pub const REDIS: Spec = Spec {
    reference: "local.test/redis:7",
    entrypoint: &["/usr/bin/redis-server"],
    arguments: &[],
    writable: &["/data"],
    workdir: "/data",
    ports: &[6379],
};

/// The packages of [`REDIS`]: the server, its tools and every shared library they load.
pub const REDIS_PACKAGES: &[&str] = &[
    "redis-server",
    "redis-tools",
    "libc6",
    "libssl3",
    "libjemalloc2",
    "liblua5.1-0",
    "lua-bitop",
    "lua-cjson",
    "liblzf1",
    "libatomic1",
    "libsystemd0",
    "libhiredis0.14",
    "libcap2",
    "liblz4-1",
    "liblzma5",
    "libzstd1",
    "libgcrypt20",
    "libgpg-error0",
    "libgcc-s1",
    "libstdc++6",
    "busybox-static",
];
