//! The mapping `sops` that every encrypted document carries.
//!
//! Input: the documents of a file. Output: the [`Metadata`] of the first one; the mapping is
//! taken out of all of them. Errors: it is missing (stripped) or not whole, two rules are given,
//! or the file uses what is not accepted: key groups, rules on comments.

use crate::SopsError;
use crate::document::{Documents, Node};
use crate::rules::{Rule, Rules};

/// More age recipients in a file are refused.
pub(crate) const RECIPIENTS_MAX: usize = 64;

/// The key services besides age, with the keys that name them.
const SERVICES: [(&str, &str); 5] = [
    ("kms", "AWS KMS"),
    ("gcp_kms", "Google Cloud KMS"),
    ("azure_kv", "Azure Key Vault"),
    ("hc_vault", "HashiCorp Vault"),
    ("pgp", "OpenPGP"),
];

/// One age recipient and the data key encrypted for it.
#[derive(Debug)]
pub(crate) struct Recipient {
    pub(crate) name: String,
    pub(crate) armoured: String,
}

/// What is needed to decrypt.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub(crate) recipients: Vec<Recipient>,
    /// Names of other key services that hold the data key too.
    pub(crate) services: Vec<&'static str>,
    pub(crate) mac: String,
    pub(crate) last_modified: String,
    pub(crate) mac_only_encrypted: bool,
    pub(crate) rules: Rules,
}

impl Metadata {
    /// Takes the metadata out of the documents.
    pub(crate) fn take(documents: &mut Documents) -> Result<Self, SopsError> {
        let mut first = None;
        for (document, number) in documents.0.iter_mut().zip(1..) {
            let fail = |what: &str| SopsError::Metadata { document: number, what: what.to_owned() };
            let Node::Map(fields) = document else {
                return Err(fail("the document is not a mapping"));
            };
            let at = fields.iter().position(|(key, _)| key == "sops");
            let at = at.ok_or_else(|| fail("there is no key `sops`: the file is not encrypted, or its metadata were stripped"))?;
            let (_, node) = fields.remove(at);
            if first.is_none() {
                first = Some(Self::read(&node).map_err(|problem| match problem {
                    Problem::What(what) => SopsError::Metadata { document: number, what },
                    Problem::Shamir => SopsError::Shamir,
                })?);
            }
        }
        let what = "there is no document".to_owned();
        first.ok_or(SopsError::Metadata { document: 1, what })
    }

    fn read(node: &Node) -> Result<Self, Problem> {
        if !matches!(node, Node::Map(_)) {
            return Err(Problem::What("`sops` is not a mapping".to_owned()));
        }
        let groups = match node.get("key_groups") {
            Some(Node::List(groups)) => groups.len(),
            _ => 0,
        };
        let threshold = matches!(node.get("shamir_threshold"), Some(n) if !is_zero(n));
        if groups > 0 || threshold {
            return Err(Problem::Shamir);
        }
        for key in ["encrypted_comment_regex", "unencrypted_comment_regex"] {
            if optional(node, key)?.is_some() {
                return Err(Problem::What(format!("`{key}`: rules on comments are not accepted")));
            }
        }
        let mac_only_encrypted = match node.get("mac_only_encrypted") {
            None | Some(Node::Null | Node::Bool(false)) => false,
            Some(Node::Bool(true)) => true,
            Some(_) => return Err(not_of_its_type("mac_only_encrypted")),
        };
        let used = |key: &str| matches!(node.get(key), Some(Node::List(keys)) if !keys.is_empty());
        let services = SERVICES.iter().filter(|(key, _)| used(key)).map(|(_, name)| *name);
        Ok(Self {
            recipients: recipients(node)?,
            services: services.collect(),
            mac: required(node, "mac")?,
            last_modified: required(node, "lastmodified")?,
            mac_only_encrypted,
            rules: rules(node)?,
        })
    }
}

/// Why metadata cannot be used.
enum Problem {
    What(String),
    Shamir,
}

fn not_of_its_type(key: &str) -> Problem {
    Problem::What(format!("`{key}` is not of its type"))
}

fn is_zero(node: &Node) -> bool {
    match node {
        Node::Null | Node::Integer(0) => true,
        Node::Float(value) => *value == 0.0,
        _ => false,
    }
}

fn optional(node: &Node, key: &str) -> Result<Option<String>, Problem> {
    match node.get(key) {
        None | Some(Node::Null) => Ok(None),
        Some(value) => match value.text() {
            Some("") => Ok(None),
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(not_of_its_type(key)),
        },
    }
}

fn required(node: &Node, key: &str) -> Result<String, Problem> {
    optional(node, key)?.ok_or_else(|| Problem::What(format!("`{key}` is missing")))
}

fn recipients(node: &Node) -> Result<Vec<Recipient>, Problem> {
    let entries = match node.get("age") {
        None | Some(Node::Null) => &[][..],
        Some(Node::List(entries)) => entries,
        Some(_) => return Err(not_of_its_type("age")),
    };
    if entries.len() > RECIPIENTS_MAX {
        let what = format!("there are more than {RECIPIENTS_MAX} age recipients");
        return Err(Problem::What(what));
    }
    let read = |entry: &Node| {
        let name = required(entry, "recipient")?;
        // It goes into messages, and it is anybody's text.
        let plain = name.len() <= 2200 && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain {
            return Err(Problem::What("an age recipient is not well formed".to_owned()));
        }
        Ok(Recipient { name, armoured: required(entry, "enc")? })
    };
    entries.iter().map(read).collect()
}

fn rules(node: &Node) -> Result<Rules, Problem> {
    let mut given: Vec<(&str, Rule)> = Vec::new();
    for key in ["unencrypted_suffix", "encrypted_suffix", "unencrypted_regex", "encrypted_regex"] {
        let Some(text) = optional(node, key)? else { continue };
        let rule = if key.ends_with("suffix") {
            Rule::Suffix(text)
        } else {
            let wrong =
                |()| Problem::What(format!("`{key}` is no regular expression that is accepted"));
            Rule::regex(&text).map_err(wrong)?
        };
        given.push((key, rule));
    }
    match given.len() {
        0 => Ok(Rules::default()),
        1 => Ok(given
            .into_iter()
            .map(|(key, rule)| Rules::new(key.starts_with("enc"), rule))
            .next()
            .unwrap_or_default()),
        _ => {
            let keys: Vec<&str> = given.iter().map(|(key, _)| *key).collect();
            Err(Problem::What(format!("only one of {} may be given", keys.join(", "))))
        }
    }
}
