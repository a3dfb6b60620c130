//! Reading many objects page by page, so that memory holds one page and not the cluster.
//!
//! A page of parsed objects is ten times its text, so who looks at one object after the other
//! takes them by [`Pages::next_each`], which parses the next one when the last was taken.

use crate::client::Client;
use crate::error::ClusterError;
use crate::operations::shaped;
use crate::request::JSON;
use crate::resource::Resource;
use http::Method;
use objects::Object;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

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

/// A page whose objects were given away one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageEnd {
    /// The version of the whole list.
    pub resource_version: String,
    /// As [`Page::first`].
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
        let mut objects = Vec::new();
        let end = self.next_each(&mut |object| objects.push(object)).await?;
        Ok(end.map(|PageEnd { resource_version, first, remaining }| Page {
            objects,
            resource_version,
            first,
            remaining,
        }))
    }

    /// As [`Pages::next`]; each object of the page goes to `sink` as soon as it is parsed. After
    /// an error the objects that the sink has are part of no list.
    ///
    /// # Errors
    /// As [`Pages::next`].
    pub async fn next_each(
        &mut self,
        sink: &mut (dyn FnMut(Object) + Send),
    ) -> Result<Option<PageEnd>, ClusterError> {
        loop {
            if self.next == Next::End {
                return Ok(None);
            }
            match self.read(sink).await {
                Ok(end) => return Ok(Some(end)),
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

    async fn read(
        &mut self,
        sink: &mut (dyn FnMut(Object) + Send),
    ) -> Result<PageEnd, ClusterError> {
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
        let mut misshapen = None;
        let metadata = answer.json_seed(
            &call.about.subject,
            ListSeed(&mut |item| match shaped(item, &self.resource, &call.about.subject) {
                Ok(object) => sink(object),
                Err(error) => {
                    misshapen.get_or_insert(error);
                }
            }),
        )?;
        if let Some(error) = misshapen {
            return Err(error);
        }
        let first = self.next == Next::First;
        self.next = match metadata.r#continue {
            Some(token) if !token.is_empty() => Next::Continue(token),
            _ => Next::End,
        };
        Ok(PageEnd {
            first,
            resource_version: metadata.resource_version,
            remaining: metadata.remaining_item_count,
        })
    }
}

/// Reads a list and gives its items away one by one.
struct ListSeed<'s>(&'s mut dyn FnMut(Value));

/// Reads `items`: a list, or `null` for an empty one.
struct ItemsSeed<'s>(&'s mut dyn FnMut(Value));

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListMetadata {
    resource_version: String,
    r#continue: Option<String>,
    remaining_item_count: Option<u64>,
}

impl<'de> DeserializeSeed<'de> for ListSeed<'_> {
    type Value = ListMetadata;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ListMetadata, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_> {
    type Value = ListMetadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ListMetadata, A::Error> {
        let mut metadata = ListMetadata::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "metadata" => metadata = map.next_value()?,
                "items" => map.next_value_seed(ItemsSeed(&mut *self.0))?,
                _ => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        Ok(metadata)
    }
}

impl<'de> DeserializeSeed<'de> for ItemsSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemsSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the items of a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            (self.0)(item);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<(ListMetadata, Vec<Value>), serde_json::Error> {
        let mut items = Vec::new();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let metadata = ListSeed(&mut |item| items.push(item)).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok((metadata, items))
    }

    #[test]
    fn a_list_gives_its_items_in_order_wherever_its_metadata_stand() {
        let metadata =
            r#""metadata":{"resourceVersion":"7","continue":"c","remainingItemCount":3}"#;
        for text in [
            format!(r#"{{"kind":"XList","apiVersion":"v1",{metadata},"items":[1,{{"a":[2]}}]}}"#),
            format!(r#"{{"items":[1,{{"a":[2]}}],"more":{{"x":[null]}},{metadata}}}"#),
        ] {
            let (metadata, items) = read(&text).unwrap();
            assert_eq!(items, [json!(1), json!({"a": [2]})]);
            assert_eq!(metadata.resource_version, "7");
            assert_eq!(metadata.r#continue.as_deref(), Some("c"));
            assert_eq!(metadata.remaining_item_count, Some(3));
        }
    }

    #[test]
    fn an_empty_list_may_have_null_or_no_items_and_anything_else_is_no_list() {
        for text in [r#"{"items":null}"#, r#"{"items":[]}"#, "{}"] {
            assert_eq!(read(text).unwrap().1, Vec::<Value>::new(), "{text}");
        }
        for text in ["[]", r#"{"items":{}}"#, r#"{"items":"x"}"#, r#"{"items":[1]"#, "{}{}"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
