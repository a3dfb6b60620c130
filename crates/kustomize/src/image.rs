//! `images`: names, tags and digests of containers.

use crate::fieldspec::{self, Create};
use crate::node::{Node, Tag};
use crate::pattern::Pattern;
use crate::resource::Resource;

/// A definition of a kind speaks of containers and has none.
const DEFINITION: &str = "CustomResourceDefinition";

/// One entry of `images`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) new_tag: String,
    pub(crate) tag_suffix: String,
    pub(crate) digest: String,
}

impl Image {
    /// Changes the images of all objects.
    ///
    /// # Errors
    /// The object, and what is wrong with its image or with the name that is looked for.
    pub(crate) fn apply(&self, all: &mut [Resource]) -> Result<(), String> {
        let mut compiled = None;
        let has_images = |resource: &&mut Resource| resource.kind() != DEFINITION;
        for resource in all.iter_mut().filter(has_images) {
            // Only once: to compile it costs as much as to change a hundred objects.
            let done = match &compiled {
                Some(pattern) => self.change(resource, pattern),
                None => self.pattern().and_then(|pattern| {
                    let done = self.change(resource, &pattern);
                    compiled = Some(pattern);
                    done
                }),
            };
            done.map_err(|error| format!("{}: {error}", resource.id()))?;
        }
        Ok(())
    }

    /// Kustomize takes the name for a pattern, so that `.` means any character.
    fn pattern(&self) -> Result<Pattern, String> {
        let tail = "(:[a-zA-Z0-9_.{}-]*)?(@sha256:[a-zA-Z0-9_.{}-]*)?$";
        Pattern::anywhere(&format!("^{}{tail}", self.name))
    }

    fn change(&self, resource: &mut Resource, pattern: &Pattern) -> Result<(), String> {
        self.anywhere(&mut resource.node, pattern)?;
        for spec in fieldspec::images() {
            let mut set = |node: &mut Node| self.set(node, pattern);
            fieldspec::apply(resource, spec, Create::Nothing, &mut set)?;
        }
        Ok(())
    }

    /// Containers at any depth, as custom resources have them.
    fn anywhere(&self, node: &mut Node, pattern: &Pattern) -> Result<(), String> {
        match node {
            Node::Map(map) => {
                for (key, value) in map {
                    self.anywhere(value, pattern)?;
                    if !matches!(key.as_str(), "containers" | "initContainers") {
                        continue;
                    }
                    let Node::List(list) = value else { continue };
                    let containers = list.iter_mut().filter_map(Node::as_map_mut);
                    for container in containers {
                        if let Some(image) = container.get_mut("image") {
                            self.set(image, pattern)?;
                        }
                    }
                }
                Ok(())
            }
            Node::List(list) => list.iter_mut().try_for_each(|node| self.anywhere(node, pattern)),
            Node::Scalar(_) => Ok(()),
        }
    }

    fn set(&self, node: &mut Node, pattern: &Pattern) -> Result<(), String> {
        let Some(text) = node.text() else {
            return Err(format!("an image is {}, not a string", node.article()));
        };
        if !pattern.matches(text) {
            return Ok(());
        }
        let (mut name, mut tag, mut digest) = split(text);
        if !self.new_name.is_empty() {
            name = &self.new_name;
        }
        let suffixed = format!("{tag}{}", self.tag_suffix);
        match (self.new_tag.is_empty(), self.digest.is_empty()) {
            (false, _) => (tag, digest) = (&self.new_tag, &self.digest),
            (true, false) => (tag, digest) = ("", &self.digest),
            (true, true) if !self.tag_suffix.is_empty() => (tag, digest) = (&suffixed, ""),
            (true, true) => {}
        }
        let mut new = name.to_owned();
        for (sign, part) in [(':', tag), ('@', digest)] {
            if !part.is_empty() {
                new.push(sign);
                new.push_str(part);
            }
        }
        fieldspec::set_scalar(node, new, Tag::Auto)
    }
}

/// Name, tag and digest; a port of the registry is no tag.
fn split(image: &str) -> (&str, &str, &str) {
    let host = image.find('/').unwrap_or(0);
    let rest = image.get(host..).unwrap_or_default();
    let at = rest.find('@').map(|index| index + host);
    let colon = rest.find(':').map(|index| index + host);
    let part = |from: usize, to: usize| image.get(from..to).unwrap_or_default();
    let end = image.len();
    match (colon, at) {
        (None, None) => (image, "", ""),
        (Some(colon), Some(at)) if colon < at => {
            (part(0, colon), part(colon + 1, at), part(at + 1, end))
        }
        (_, Some(at)) => (part(0, at), "", part(at + 1, end)),
        (Some(colon), None) => (part(0, colon), part(colon + 1, end), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_the_registry_is_no_tag() {
        assert_eq!(split("host:5000/web"), ("host:5000/web", "", ""));
        assert_eq!(split("host:5000/web:v1@sha256:ab"), ("host:5000/web", "v1", "sha256:ab"));
        assert_eq!(split("web@sha256:ab"), ("web", "", "sha256:ab"));
    }
}
