//! Files and a spec as the bytes of an OCI layout archive, and back to its digest.

use super::files::{Content, Entry, Files};
use super::{NONROOT_UID, Spec, digest};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// What the gzip header says about the system: "unknown", on every system.
const GZIP_SYSTEM: u8 = 255;
/// Larger gives a few percent for three times the time.
const GZIP_LEVEL: u32 = 6;
/// `p_type` of the program header that names a dynamic loader.
const PT_INTERP: u32 = 3;
/// A path of a loader is no longer than this.
const LOADER_BYTES_MAX: usize = 256;

/// The archive and the digest of the image's manifest.
pub(super) fn archive(
    spec: &Spec,
    files: &Files,
    labels: &BTreeMap<String, String>,
) -> io::Result<(Vec<u8>, String)> {
    let layer = layer(files)?;
    let packed = gzip(&layer)?;
    let config = config(spec, labels, &digest(&layer)).to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &packed)],
    });
    let manifest = manifest.to_string().into_bytes();
    let mut own = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    if let Some(fields) = own.as_object_mut() {
        fields.insert("annotations".into(), json!({"io.containerd.image.name": spec.reference}));
        fields.insert("platform".into(), json!({"architecture": architecture(), "os": "linux"}));
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [own],
    });
    let name = digest(&manifest);
    let mut parts = BTreeMap::new();
    for blob in [config, manifest, packed] {
        parts.insert(format!("blobs/sha256/{}", digest(&blob).replace("sha256:", "")), blob);
    }
    parts.insert("index.json".to_owned(), index.to_string().into_bytes());
    parts.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
    let mut outer = tar::Builder::new(Vec::new());
    for (path, bytes) in &parts {
        append(&mut outer, path, 0o644, 0, bytes)?;
    }
    Ok((outer.into_inner()?, name))
}

/// Files as a gzip tar.
pub(super) fn packed(files: &Files) -> io::Result<Vec<u8>> {
    gzip(&layer(files)?)
}

/// Packed bytes whose header says nothing about when and where.
fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(GZIP_SYSTEM)
        .write(Vec::new(), Compression::new(GZIP_LEVEL));
    gzip.write_all(bytes)?;
    gzip.finish()
}

/// The digest of the manifest that an archive's index names; nothing for a damaged archive.
pub(super) fn manifest_digest(bytes: &[u8]) -> Option<String> {
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().ok()? {
        let mut entry = entry.ok()?;
        if entry.path_bytes().as_ref() == b"index.json" {
            let mut text = String::new();
            entry.read_to_string(&mut text).ok()?;
            let index: Value = serde_json::from_str(&text).ok()?;
            return index.pointer("/manifests/0/digest")?.as_str().map(str::to_owned);
        }
    }
    None
}

/// The dynamic loader that a 64-bit little-endian ELF program asks for, if it asks for one.
pub(super) fn loader(program: &[u8]) -> Option<String> {
    if program.get(..6) != Some(b"\x7fELF\x02\x01".as_slice()) {
        return None;
    }
    let table = number(program, 32, 8)?;
    let size = number(program, 54, 2)?;
    let count = number(program, 56, 2)?;
    for index in 0..count {
        let header = table.checked_add(index.checked_mul(size)?)?;
        if number(program, header, 4)? == PT_INTERP as usize {
            let start = number(program, header.checked_add(8)?, 8)?;
            let length = number(program, header.checked_add(32)?, 8)?.min(LOADER_BYTES_MAX);
            let path = program.get(start..start.checked_add(length)?)?;
            return Some(String::from_utf8_lossy(path).trim_end_matches('\0').to_owned());
        }
    }
    None
}

/// A little-endian number of `width` bytes at `offset`.
fn number(bytes: &[u8], offset: usize, width: usize) -> Option<usize> {
    let part = bytes.get(offset..offset.checked_add(width)?)?;
    let value = part.iter().rev().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
    usize::try_from(value).ok()
}

/// The layer: every entry with time 0 and a numeric owner.
fn layer(files: &Files) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, entry) in files.entries() {
        let Entry { mode, uid, content } = entry;
        match content {
            Content::File(bytes) => append(&mut builder, path, *mode, *uid, bytes)?,
            Content::Folder => {
                let mut header = header(*mode, *uid, tar::EntryType::Directory, 0);
                builder.append_data(&mut header, format!("{path}/"), io::empty())?;
            }
            Content::Link(target) => {
                let mut header = header(*mode, *uid, tar::EntryType::Symlink, 0);
                builder.append_link(&mut header, path, target)?;
            }
        }
    }
    builder.into_inner()
}

fn append(
    builder: &mut tar::Builder<Vec<u8>>,
    path: &str,
    mode: u32,
    uid: u32,
    bytes: &[u8],
) -> io::Result<()> {
    let mut header = header(mode, uid, tar::EntryType::Regular, bytes.len() as u64);
    builder.append_data(&mut header, path, bytes)
}

fn header(mode: u32, uid: u32, kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(u64::from(uid));
    header.set_gid(u64::from(uid));
    header.set_mtime(0);
    header.set_size(size);
    header
}

fn config(spec: &Spec, labels: &BTreeMap<String, String>, layer: &str) -> Value {
    let ports: BTreeMap<String, Value> =
        spec.ports.iter().map(|port| (format!("{port}/tcp"), json!({}))).collect();
    json!({
        "architecture": architecture(),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": format!("{NONROOT_UID}:{NONROOT_UID}"),
            "Entrypoint": spec.entrypoint,
            "Cmd": spec.arguments,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "WorkingDir": spec.workdir,
            "ExposedPorts": ports,
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [layer]},
    })
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
}

/// This host's architecture as OCI names it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
