//! Lists that the server merges item by item: by key fields (`k:`) or as a set (`v:`).

use super::{ReasonKind, Step, Walk};
use crate::fields::{PathElement, write_key};
use serde_json::{Map, Value};

/// How the items of one list are named in `fieldsV1`.
enum Naming {
    /// By these fields, in alphabetical order.
    Key(Vec<String>),
    /// By their value.
    Value,
}

impl Naming {
    /// Read from any of the elements that we own in the list.
    fn of(owned: &Map<String, Value>) -> Option<Self> {
        let stored = owned.keys().find(|stored| *stored != ".")?;
        match stored.split_once(':')? {
            ("k", json) => {
                let key: Map<String, Value> = serde_json::from_str(json).ok()?;
                let mut fields: Vec<String> = key.into_iter().map(|(field, _)| field).collect();
                fields.sort_unstable();
                Some(Self::Key(fields))
            }
            ("v", _) => Some(Self::Value),
            _ => None,
        }
    }

    /// The element that names `item`, as stored.
    fn stored(&self, item: &Value) -> Option<String> {
        let mut text = String::with_capacity(48);
        match self {
            Self::Key(fields) => {
                text.push_str("k:");
                write_key(&mut text, item.as_object()?, fields)?;
            }
            Self::Value => {
                if item.is_object() || item.is_array() {
                    return None;
                }
                text.push_str("v:");
                text.push_str(&item.to_string());
            }
        }
        Some(text)
    }
}

impl<'a> Walk<'a> {
    /// A list that is merged item by item.
    pub(super) fn list(
        &mut self,
        desired: &'a [Value],
        owned: &'a Map<String, Value>,
        live: &'a [Value],
    ) {
        let Some(naming) = Naming::of(owned) else { return self.doubt(ReasonKind::Structure) };
        let mut places: Vec<(String, usize)> = live
            .iter()
            .enumerate()
            .filter_map(|(index, item)| Some((naming.stored(item)?, index)))
            .collect();
        places.sort_unstable();
        let mut matched = usize::from(owned.contains_key("."));
        let mut after = None;
        for (index, item) in desired.iter().enumerate() {
            let found = naming.stored(item).and_then(|stored| {
                let owned = owned_item(owned, &stored)?;
                Some((stored, owned))
            });
            let Some((stored, (element, fields))) = found else {
                self.path.push(Step::Index(index));
                self.doubt(ReasonKind::NotOwned);
                self.path.pop();
                continue;
            };
            matched += 1;
            self.path.push(Step::Stored(element));
            match place_of(&places, &stored) {
                Place::Absent => self.doubt(ReasonKind::ValueDiffers),
                Place::Twice => self.doubt(ReasonKind::Structure),
                // The server would put the items into the desired order.
                Place::At(place) if after.is_some_and(|after| place <= after) => {
                    self.doubt(ReasonKind::ValueDiffers);
                }
                Place::At(place) => {
                    after = Some(place);
                    self.item(item, fields, live.get(place));
                }
            }
            self.path.pop();
        }
        if matched != owned.len() {
            self.removed_from_list(desired, owned);
        }
    }

    fn item(&mut self, desired: &'a Value, owned: &'a Value, live: Option<&'a Value>) {
        let Some(owned) = owned.as_object() else { return self.doubt(ReasonKind::Structure) };
        match (desired, live) {
            (Value::Object(desired), Some(Value::Object(live))) if owned.contains_key(".") => {
                self.map(desired, owned, Some(live));
            }
            // An item that is owned as a whole, such as a reference to a Secret.
            (Value::Object(_), Some(_)) if owned.is_empty() => self.same(desired, live),
            (Value::Object(_) | Value::Array(_), _) => self.doubt(ReasonKind::Structure),
            // The element names the value, and it was found in the live list.
            _ if owned.is_empty() => {}
            _ => self.doubt(ReasonKind::Structure),
        }
    }

    /// Names the items that our entry has and the desired list has not.
    pub(super) fn removed_from_list(&mut self, desired: &[Value], owned: &'a Map<String, Value>) {
        let naming = Naming::of(owned);
        let wanted: Vec<String> = desired
            .iter()
            .filter_map(|item| naming.as_ref().and_then(|naming| naming.stored(item)))
            .collect();
        let mut named = false;
        for stored in owned.keys() {
            let is_wanted = wanted
                .iter()
                .any(|text| owned_item(owned, text).is_some_and(|(found, _)| found == stored));
            if stored != "." && !is_wanted {
                named = true;
                self.path.push(Step::Stored(stored));
                self.doubt(ReasonKind::OwnedButRemoved);
                self.path.pop();
            }
        }
        if !named {
            self.doubt(ReasonKind::Structure);
        }
    }
}

/// Our element for an item: by its text, else by its meaning (the server escapes some
/// characters in JSON that we do not).
fn owned_item<'a>(owned: &'a Map<String, Value>, stored: &str) -> Option<(&'a str, &'a Value)> {
    if let Some((element, fields)) = owned.get_key_value(stored) {
        return Some((element, fields));
    }
    let wanted = PathElement::parse(stored).ok()?;
    owned
        .iter()
        .find(|(element, _)| PathElement::parse(element).is_ok_and(|found| found == wanted))
        .map(|(element, fields)| (element.as_str(), fields))
}

enum Place {
    Absent,
    At(usize),
    Twice,
}

fn place_of(places: &[(String, usize)], stored: &str) -> Place {
    let start = places.partition_point(|(text, _)| text.as_str() < stored);
    let mut same = places.iter().skip(start).take_while(|(text, _)| text == stored);
    match (same.next(), same.next()) {
        (None, _) => Place::Absent,
        (Some((_, index)), None) => Place::At(*index),
        _ => Place::Twice,
    }
}
