//! The name of a delivery: one tree, one inventory, one field manager.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The label on every managed object; its value is the delivery's name.
pub const DELIVERY_LABEL: &str = "orlop.dev/delivery";
/// The label on every ConfigMap of an inventory; its value is the delivery's name.
pub const INVENTORY_LABEL: &str = "orlop.dev/inventory";
/// An annotation on a live object; the value `disabled` keeps it from being pruned.
pub const PRUNE_ANNOTATION: &str = "orlop.dev/prune";
/// An annotation on a live object; the value `disabled` keeps a drift of it from being reverted
/// before the next delivery.
pub const SELF_HEAL_ANNOTATION: &str = "orlop.dev/self-heal";
/// The field manager that writes inventories.
pub const INVENTORY_MANAGER: &str = "orlop-inventory";
/// What the field manager of every delivery begins with; the delivery's name follows.
pub const MANAGER_PREFIX: &str = "orlop-sync-";
/// A delivery's name is a label value and part of object names.
pub const NAME_CHARS_MAX: usize = 63;

/// A lower-case DNS label: letters, digits and `-`, at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeliveryName(String);

/// A delivery's name that Kubernetes could not take as a label and in object names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name a delivery: use lower-case letters, digits and `-`, at most 63 characters"
)]
pub struct NameError(String);

impl model::Explain for NameError {
    fn hint(&self) -> Option<model::Hint> {
        Some(model::Hint::new("choose a name such as `shop` or `team-a-web`"))
    }
}

impl DeliveryName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The field manager of this delivery; no other writer uses it.
    #[must_use]
    pub fn manager(&self) -> String {
        format!("{MANAGER_PREFIX}{}", self.0)
    }

    /// The label selector that finds this delivery's objects.
    #[must_use]
    pub fn selector(&self) -> String {
        format!("{DELIVERY_LABEL}={}", self.0)
    }

    /// The ConfigMap of the inventory's shard with this index, from 0.
    #[must_use]
    pub fn inventory_object(&self, shard: usize) -> String {
        match shard {
            0 => format!("orlop-inventory-{}", self.0),
            _ => format!("orlop-inventory-{}-{shard}", self.0),
        }
    }
}

impl FromStr for DeliveryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let valid = !text.is_empty()
            && text.len() <= NAME_CHARS_MAX
            && text.chars().all(|c| plain(c) || c == '-')
            && text.starts_with(plain)
            && text.ends_with(plain);
        if valid { Ok(Self(text.to_owned())) } else { Err(NameError(text.to_owned())) }
    }
}

impl TryFrom<String> for DeliveryName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<DeliveryName> for String {
    fn from(name: DeliveryName) -> Self {
        name.0
    }
}

impl fmt::Display for DeliveryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_dns_label_of_at_most_63_characters() {
        let ok = |text: &str| text.parse::<DeliveryName>().is_ok();
        assert!(ok("shop") && ok("a") && ok("0-1") && ok(&"x".repeat(NAME_CHARS_MAX)));
        assert!(!ok("") && !ok("Shop") && !ok("-a") && !ok("a-") && !ok("a.b") && !ok("a/b"));
        assert!(!ok(&"x".repeat(NAME_CHARS_MAX + 1)));
    }

    #[test]
    fn one_manager_and_one_inventory_per_name() {
        let name: DeliveryName = "shop".parse().unwrap();
        assert_eq!(name.manager(), "orlop-sync-shop");
        assert_eq!(name.inventory_object(0), "orlop-inventory-shop");
        assert_eq!(name.inventory_object(3), "orlop-inventory-shop-3");
        assert_eq!(name.selector(), "orlop.dev/delivery=shop");
    }
}
