//! Reading many objects page by page, so that memory holds one page and not the cluster.

use crate::client::Client;
use crate::error::ClusterError;
use crate::operations::shaped;
use crate::request::JSON;
use crate::resource::Resource;
use http::Method;
use objects::Object;
use serde::Deserialize;
use serde_json::Value;

/// Objects in one page.
pub const PAGE_OBJECTS: u32 = 500;
/// How often a list is begun anew because its continue token got too old.
pub const LIST_RESTARTS_MAX: u32 = 5;

const METADATA_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// How fresh a list must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Freshness {
    /// As of now, from the store.
    #[default]
    Latest,
    /// Whatever the server has at hand: cheaper, maybe old. Not for decisions to delete.
    Any,
}

/// What to list.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// One namespace; empty for all.
    pub namespace: String,
    /// Label selector as kubectl takes it; empty for all.
    pub labels: String,
    /// Field selector as kubectl takes it; empty for all.
    pub fields: String,
    /// Only `metadata`, for objects whose content does not matter.
    pub metadata_only: bool,
    /// How fresh.
    pub freshness: Freshness,
    /// Objects per page; 0 for all in one.
    pub page_objects: u32,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self {
            namespace: String::new(),
            labels: String::new(),
            fields: String::new(),
            metadata_only: false,
            freshness: Freshness::Latest,
            page_objects: PAGE_OBJECTS,
        }
    }
}

impl ListOptions {
    /// Everything with these labels.
    pub fn with_labels(labels: impl Into<String>) -> Self {
        Self { labels: labels.into(), ..Self::default() }
    }

    /// The selectors as query parameters.
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        let selectors = [("labelSelector", &self.labels), ("fieldSelector", &self.fields)];
        selectors
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(key, text)| (key, text.clone()))
            .collect()
    }
}

/// One page.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The objects, complete with `apiVersion` and `kind`.
    pub objects: Vec<Object>,
    /// The version of the whole list.
    pub resource_version: String,
    /// True for the first page. When it comes again, the list was begun anew and all pages
    /// before it are void.
    pub first: bool,
    /// How many objects follow, when the server says it.
    pub remaining: Option<u64>,
}

/// A whole list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The objects.
    pub objects: Vec<Object>,
    /// The version of the whole list.
    pub resource_version: String,
}

/// A list that is being read; made by [`Client::pages`].
#[derive(Debug)]
pub struct Pages {
    client: Client,
    resource: Resource,
    options: ListOptions,
    next: Next,
    restarts: u32,
}

#[derive(Debug, Clone, PartialEq)]
enum Next {
    First,
    Continue(String),
    End,
}

impl Client {
    /// Begins to read a list page by page; asks for nothing yet.
    #[must_use]
    pub fn pages(&self, resource: &Resource, options: ListOptions) -> Pages {
        Pages {
            client: self.clone(),
            resource: resource.clone(),
            options,
            next: Next::First,
            restarts: 0,
        }
    }

    /// Reads a whole list into memory.
    ///
    /// # Errors
    /// Any [`ClusterError`]; a list is whole or an error, never cut.
    pub async fn list(
        &self,
        resource: &Resource,
        options: &ListOptions,
    ) -> Result<Listed, ClusterError> {
        let mut pages = self.pages(resource, options.clone());
        let mut listed = Listed { objects: Vec::new(), resource_version: String::new() };
        while let Some(page) = pages.next().await? {
            if page.first {
                listed.objects.clear();
            }
            listed.objects.extend(page.objects);
            listed.resource_version = page.resource_version;
        }
        Ok(listed)
    }
}

impl Pages {
    /// The next page; `None` after the last. May be cancelled and called again.
    ///
    /// # Errors
    /// Any [`ClusterError`]; a continue token that got too old restarts the list instead, at most
    /// [`LIST_RESTARTS_MAX`] times.
    pub async fn next(&mut self) -> Result<Option<Page>, ClusterError> {
        loop {
            if self.next == Next::End {
                return Ok(None);
            }
            match self.read().await {
                Ok(page) => return Ok(Some(page)),
                Err(ClusterError::Expired { .. })
                    if matches!(self.next, Next::Continue(_))
                        && self.restarts < LIST_RESTARTS_MAX =>
                {
                    self.restarts += 1;
                    self.next = Next::First;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn read(&mut self) -> Result<Page, ClusterError> {
        let namespace = self.options.namespace.as_str();
        let mut call =
            self.client.call("list", Method::GET, &self.resource, namespace, "", None)?;
        call.accept = if self.options.metadata_only { METADATA_LIST } else { JSON };
        call.query = self.options.query();
        if self.options.page_objects > 0 {
            call.query.push(("limit", self.options.page_objects.to_string()));
        }
        match &self.next {
            Next::Continue(token) => call.query.push(("continue", token.clone())),
            _ if self.options.freshness == Freshness::Any => {
                call.query.push(("resourceVersion", "0".to_owned()));
            }
            _ => {}
        }
        let answer = self.client.inner.send(&call).await?;
        let list: ListAnswer = answer.json(&call.about.subject)?;
        let objects = list
            .items
            .unwrap_or_default()
            .into_iter()
            .map(|item| shaped(item, &self.resource, &call.about.subject))
            .collect::<Result<Vec<_>, _>>()?;
        let first = self.next == Next::First;
        self.next = match list.metadata.r#continue {
            Some(token) if !token.is_empty() => Next::Continue(token),
            _ => Next::End,
        };
        Ok(Page {
            objects,
            first,
            resource_version: list.metadata.resource_version,
            remaining: list.metadata.remaining_item_count,
        })
    }
}

#[derive(Debug, Deserialize)]
struct ListAnswer {
    #[serde(default)]
    metadata: ListMetadata,
    items: Option<Vec<Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListMetadata {
    resource_version: String,
    r#continue: Option<String>,
    remaining_item_count: Option<u64>,
}
