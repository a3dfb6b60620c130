//! What bounds a connection. Every figure is a named constant with its unit.

/// Bytes of one packet with its length field, padding and tag: what every implementation must be
/// able to take (RFC 4253, 6.1), and more than any that we ask for.
pub const PACKET_BYTES_MAX: usize = 35_000;

/// Bytes of one identification line, its line end included (RFC 4253, 4.2).
pub const IDENTIFICATION_BYTES_MAX: usize = 255;

/// Lines that a server may send before it identifies itself.
pub const LINES_BEFORE_IDENTIFICATION_MAX: usize = 64;

/// Bytes of one of those lines.
pub const LINE_BEFORE_IDENTIFICATION_BYTES_MAX: usize = 1024;

/// Bytes under one key in one direction, after which new keys are agreed on (RFC 4253, 9).
pub const REKEY_BYTES: u64 = 1 << 30;

/// Packets under one key in one direction, after which new keys are agreed on (RFC 4344, 3.1).
pub const REKEY_PACKETS: u64 = 1 << 31;

/// Packets under one key in one direction, at which the connection ends: a number must not come
/// again, as it is part of the nonce.
pub const KEY_PACKETS_MAX: u64 = 1 << 32;

/// Bytes that wait to be sent. A server that asks and never reads is given up at this point.
pub const OUTGOING_BYTES_MAX: usize = 1 << 20;

/// Channels that are open at the same time.
pub const CHANNELS_MAX: usize = 64;

/// Bytes of a channel that may wait for their reader, unless its owner says another figure.
pub const WINDOW_BYTES: u32 = 2 << 20;

/// Bytes of data in one message of a channel that we send or take.
pub const DATA_BYTES_MAX: u32 = 32 << 10;

/// Bytes of stderr that are kept of a channel; what comes behind is dropped.
pub const STDERR_BYTES_MAX: usize = 16 << 10;

/// Keys that are offered; servers close the connection after a handful.
pub const IDENTITIES_MAX: usize = 16;

/// Bytes of the text that a server shows before it lets us in; what comes behind is dropped.
pub const BANNER_BYTES_MAX: usize = 4 << 10;

/// Bytes of a text of the server in a message of ours.
pub const TEXT_CHARS_MAX: usize = 500;

/// Bytes of a command, of the name or of the value of a variable.
pub const COMMAND_BYTES_MAX: usize = 30_000;

/// Bytes of a file of known hosts.
pub const KNOWN_HOSTS_BYTES_MAX: usize = 8 << 20;

/// Lines of a file of known hosts that are read.
pub const KNOWN_HOSTS_LINES_MAX: usize = 50_000;

/// Bytes of one line of it; a longer one is passed over.
pub const KNOWN_HOSTS_LINE_BYTES_MAX: usize = 16 << 10;

/// Bytes of a host name.
pub const HOST_BYTES_MAX: usize = 253;

/// Bytes of a file with a private key.
pub const PRIVATE_KEY_BYTES_MAX: usize = 64 << 10;

/// Bytes of one message of an agent.
pub const AGENT_MESSAGE_BYTES_MAX: usize = 256 << 10;

/// Keys of an agent that are looked at.
pub const AGENT_KEYS_MAX: usize = 64;
