//! An object at rest: what a run holds of every object that it does not look at right now.
//!
//! A parsed document costs about 630 bytes for each of its maps, so ten thousand Deployments take
//! a third of a gigabyte; their JSON text takes five megabytes. A tree is therefore held packed,
//! and one object at a time is unpacked while it is compared or written. The text is compact JSON
//! and not a format of its own because the server is sent the same; numbers come back bit by bit
//! (`float_roundtrip`).
//!
//! Limit: [`PACKED_DEPTH_MAX`]. What [`crate::yaml`] reads is never as deep.

use crate::Object;
use std::fmt;
use std::sync::Arc;

/// Levels of maps and lists that can be unpacked.
pub const PACKED_DEPTH_MAX: usize = 127;

/// An object as compact JSON text. A copy shares the text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Packed(Arc<[u8]>);

impl Packed {
    /// Packs an object.
    ///
    /// # Errors
    /// None that an [`Object`] can have; JSON's own, so that no caller has to rely on that.
    pub fn pack(object: &Object) -> Result<Self, serde_json::Error> {
        serde_json::to_vec(object.as_map()).map(|text| Self(text.into()))
    }

    /// The object, exactly as it was packed.
    ///
    /// # Errors
    /// When it is deeper than [`PACKED_DEPTH_MAX`].
    pub fn unpack(&self) -> Result<Object, serde_json::Error> {
        serde_json::from_slice(&self.0).map(Object)
    }

    /// Whether both are copies of one: true says that they are equal, false says nothing.
    #[must_use]
    pub fn is_copy_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What it takes in memory, in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Packed {
    /// Without the content: it may be a Secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packed({} bytes)", self.len_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Number, Value, json};

    fn object(content: &Value) -> Object {
        let value = json!({"apiVersion": "v1", "kind": "X", "metadata": {}, "content": content});
        Object::from_value(value).unwrap()
    }

    fn packed(content: &Value) -> Packed {
        Packed::pack(&object(content)).unwrap()
    }

    fn leaf() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(|n| Number::from_f64(n).map_or(Value::Null, Value::Number)),
            any::<String>().prop_map(Value::String),
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        leaf().prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_unpacked_is_what_was_packed(content in value()) {
            let before = object(&content);
            let after = Packed::pack(&before).unwrap().unpack().unwrap();
            // The printed form too: 1 and 1.0 are not one number, and keys keep their order.
            let text = |object: &Object| object.clone().into_value().to_string();
            prop_assert_eq!(text(&after), text(&before));
            prop_assert_eq!(after, before);
        }
    }

    #[test]
    fn numbers_come_back_bit_by_bit() {
        let numbers = json!([
            1,
            1.0,
            -0.0,
            1e3,
            1e300,
            5e-324,
            1.7976931348623157e308,
            0.1,
            2.225073858507201e-308,
            9007199254740993_u64,
            u64::MAX,
            i64::MIN,
            123456789012345680000.0
        ]);
        let bits = |number: &Value| (number.to_string(), number.as_f64().map(f64::to_bits));
        for number in numbers.as_array().unwrap() {
            let after = packed(number).unpack().unwrap();
            assert_eq!(bits(after.at(&["content"]).unwrap()), bits(number));
        }
    }

    #[test]
    fn the_deepest_document_that_yaml_reads_can_be_unpacked() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        // The object itself is one level.
        assert!(packed(&nested(PACKED_DEPTH_MAX - 1)).unpack().is_ok());
        assert!(packed(&nested(PACKED_DEPTH_MAX)).unpack().is_err());
        const { assert!(crate::yaml::DEPTH_MAX < PACKED_DEPTH_MAX) };
    }

    #[test]
    fn a_packed_object_takes_its_text_and_nothing_else() {
        let text = r#"{"apiVersion":"v1","content":{"a":[1,true,null]},"kind":"X","metadata":{}}"#;
        let packed = packed(&json!({"a": [1, true, null]}));
        assert_eq!(packed.len_bytes(), text.len());
        assert_eq!(size_of::<Packed>(), 2 * size_of::<usize>());
        assert_eq!(Arc::strong_count(&packed.clone().0), 2, "a copy shares the text");
    }

    #[test]
    fn gitops_15_a_packed_secret_is_not_printed() {
        let shown = format!("{:?}", packed(&json!("canary")));
        assert!(shown.starts_with("Packed(") && !shown.contains("canary"), "{shown}");
    }
}
