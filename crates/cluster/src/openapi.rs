//! What the server says its objects look like: OpenAPI v3, one document per group and version.
//!
//! The index names each document with the hash of its content, so a client that asked once asks
//! again only for what changed. A document is megabytes of text and is dropped as soon as the
//! kinds that were asked for are compiled; what is kept of it is some kilobytes for each kind.
//!
//! Limits: a document has at most the bytes of any answer; kinds are kept for as long as the
//! server publishes the same document.

use crate::client::Client;
use crate::error::ClusterError;
use crate::request::JSON;
use objects::GroupVersionKind;
use schema::{Schema, SchemaError};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// The index of the documents.
const INDEX: &str = "/openapi/v3";

/// Where the documents are, by group version (`v1`, `apps/v1`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenApiIndex {
    /// The URL of a document relative to the server, with the hash of its content.
    pub documents: BTreeMap<String, String>,
}

/// The schemas of kinds that were asked for.
#[derive(Debug, Clone, Default)]
pub struct Schemas {
    /// What the server publishes.
    pub found: BTreeMap<GroupVersionKind, Schema>,
    /// Kinds that could not be read, with the reason. A kind that the server publishes nothing
    /// about is in neither.
    pub unreadable: BTreeMap<GroupVersionKind, String>,
}

/// The kinds of one document that were asked for so far.
#[derive(Debug)]
struct Known {
    url: String,
    /// `None`: the document does not define it.
    kinds: BTreeMap<GroupVersionKind, Option<Result<Schema, String>>>,
}

/// The cache; one per connection.
#[derive(Debug, Default)]
pub(crate) struct OpenApi {
    known: Mutex<BTreeMap<String, Known>>,
}

#[derive(Deserialize)]
struct RawIndex {
    #[serde(default)]
    paths: BTreeMap<String, RawDocument>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument {
    #[serde(rename = "serverRelativeURL", default)]
    url: String,
}

impl Client {
    /// Where the documents are.
    ///
    /// # Errors
    /// Everything that can be wrong with the connection; `NotFound` from a server without
    /// OpenAPI v3.
    pub async fn openapi_index(&self) -> Result<OpenApiIndex, ClusterError> {
        let call = self.plain_get(INDEX, "openapi", JSON);
        let raw: RawIndex = self.inner.send(&call).await?.json(INDEX)?;
        let documents = raw
            .paths
            .into_iter()
            .filter_map(|(path, document)| {
                let group_version =
                    path.strip_prefix("apis/").or_else(|| path.strip_prefix("api/"))?;
                Some((group_version.to_owned(), document.url))
            })
            .collect();
        Ok(OpenApiIndex { documents })
    }

    /// The text of one document; `None` when the index does not have the group version.
    ///
    /// # Errors
    /// Everything that can be wrong with the connection.
    pub async fn openapi(
        &self,
        index: &OpenApiIndex,
        group_version: &str,
    ) -> Result<Option<Vec<u8>>, ClusterError> {
        let Some(url) = index.documents.get(group_version) else { return Ok(None) };
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        // The answer is trusted with a path of this server and nothing else.
        if !path.starts_with("/openapi/") {
            return Err(ClusterError::BadAnswer {
                subject: INDEX.to_owned(),
                message: format!("the document of {group_version} is elsewhere"),
            });
        }
        let mut call = self.plain_get(path, "openapi", JSON);
        if let Some(hash) = query.split('&').find_map(|pair| pair.strip_prefix("hash=")) {
            call.query.push(("hash", hash.to_owned()));
        }
        Ok(Some(self.inner.send(&call).await?.body))
    }

    /// The schemas of kinds. Costs one request, and one more for each group version that was not
    /// read before in its present form.
    ///
    /// # Errors
    /// When the index cannot be read. A document that cannot be read is told with its kinds.
    pub async fn schemas(&self, kinds: &[GroupVersionKind]) -> Result<Schemas, ClusterError> {
        let index = self.openapi_index().await?;
        let mut wanted: BTreeMap<String, Vec<GroupVersionKind>> = BTreeMap::new();
        for gvk in kinds.iter().collect::<BTreeSet<_>>() {
            wanted.entry(gvk.api_version()).or_default().push(gvk.clone());
        }
        let mut schemas = Schemas::default();
        for (group_version, kinds) in wanted {
            let Some(url) = index.documents.get(&group_version) else { continue };
            if !self.knows(&group_version, url, &kinds) {
                match self.openapi(&index, &group_version).await {
                    Ok(Some(text)) => self.learn(&group_version, url, &kinds, &text),
                    Ok(None) => {}
                    Err(error) => {
                        let reason = |gvk| (gvk, error.to_string());
                        schemas.unreadable.extend(kinds.into_iter().map(reason));
                        continue;
                    }
                }
            }
            self.recall(&group_version, &kinds, &mut schemas);
        }
        Ok(schemas)
    }

    /// The schemas of kinds as they were read last, without a request. They may be out of date.
    #[must_use]
    pub fn remembered_schemas(&self, kinds: &[GroupVersionKind]) -> Schemas {
        let mut schemas = Schemas::default();
        for gvk in kinds {
            self.recall(&gvk.api_version(), std::slice::from_ref(gvk), &mut schemas);
        }
        schemas
    }

    /// Whether all of these kinds were looked for in the present document.
    fn knows(&self, group_version: &str, url: &str, kinds: &[GroupVersionKind]) -> bool {
        let known = self.openapi_cache().known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(group_version).is_some_and(|document| {
            document.url == url && kinds.iter().all(|gvk| document.kinds.contains_key(gvk))
        })
    }

    fn learn(&self, group_version: &str, url: &str, kinds: &[GroupVersionKind], text: &[u8]) {
        let compiled = schema::compile(text, kinds);
        let mut known = self.openapi_cache().known.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Known { url: url.to_owned(), kinds: BTreeMap::new() };
        let document = known.entry(group_version.to_owned()).or_insert_with(fresh);
        if document.url != url {
            *document = fresh();
        }
        match compiled {
            Ok(mut compiled) => {
                for gvk in kinds {
                    let schema = compiled.remove(gvk).map(|one| one.map_err(|error| told(&error)));
                    document.kinds.insert(gvk.clone(), schema);
                }
            }
            Err(error) => {
                let reason = told(&error);
                let kinds = kinds.iter().map(|gvk| (gvk.clone(), Some(Err(reason.clone()))));
                document.kinds.extend(kinds);
            }
        }
    }

    fn recall(&self, group_version: &str, kinds: &[GroupVersionKind], schemas: &mut Schemas) {
        let known = self.openapi_cache().known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(document) = known.get(group_version) else { return };
        for gvk in kinds {
            match document.kinds.get(gvk) {
                Some(Some(Ok(schema))) => {
                    schemas.found.insert(gvk.clone(), schema.clone());
                }
                Some(Some(Err(reason))) => {
                    schemas.unreadable.insert(gvk.clone(), reason.clone());
                }
                Some(None) | None => {}
            }
        }
    }
}

/// An error with its cause in one line.
fn told(error: &SchemaError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
