//! An OpenAPI document, as something that answers are held against.

use std::{cell::RefCell, collections::BTreeSet};

use load_test::{Request, Response, stage::Stage};
use serde_json::{Map, Value};

/// A service's document, and what has been seen of what it describes.
pub struct Document {
    json: Value,
    seen: RefCell<BTreeSet<String>>,
}

impl Document {
    /// The one at `path`, through the origin.
    pub async fn at(stage: &Stage, path: &str) -> anyhow::Result<Self> {
        let response = Request::get(path).send(stage.origin()).await?;
        anyhow::ensure!(response.head.status == 200, "{path}: {}", response.head.status);
        Ok(Self { json: response.json(), seen: RefCell::default() })
    }

    /// Panics where `response` is none that the document has for this call: status, media type, every field of the body.
    pub fn holds(&self, method: &str, path: &str, response: &Response) {
        let (status, what) = (response.head.status, format!("{method} {path}"));
        let described = &self.json["paths"][path][method]["responses"][status.to_string()];
        assert!(described.is_object(), "{what}: {status} is not described; it answered {}", response.text());
        let Some(content) = described["content"].as_object() else { return };
        let kind = response.head.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        let media = content.get(kind).unwrap_or_else(|| panic!("{what}: {status} as {kind} is not described"));
        if let Some(schema) = media.get("schema") {
            let found = self.check(schema, &response.json());
            found.unwrap_or_else(|wrong| panic!("{what}: {status}: {wrong} in {}", response.text()));
        }
    }

    /// The properties of the named schema.
    pub fn properties(&self, name: &str) -> &Map<String, Value> {
        self.schema(name)["properties"].as_object().unwrap_or_else(|| panic!("{name} has no properties"))
    }

    /// Panics where a property of the named schemas was in no answer: then nothing answers with it any more.
    pub fn all_seen(&self, names: &[&str]) {
        let seen = self.seen.borrow();
        for name in names {
            for property in self.properties(name).keys() {
                assert!(seen.contains(&format!("{name}.{property}")), "{name}.{property} was in no answer");
            }
        }
    }

    fn schema(&self, name: &str) -> &Value {
        &self.json["components"]["schemas"][name]
    }

    /// Whether `value` is as `schema` says, without a property more.
    fn check(&self, schema: &Value, value: &Value) -> Result<(), String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            self.check(self.schema(name), value).map_err(|wrong| format!("{name}: {wrong}"))?;
            for property in value.as_object().into_iter().flat_map(Map::keys) {
                self.seen.borrow_mut().insert(format!("{name}.{property}"));
            }
            return Ok(());
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let refused: Vec<_> = choices.iter().filter_map(|choice| self.check(choice, value).err()).collect();
            return if refused.len() + 1 == choices.len() { Ok(()) } else { Err(refused.join("; or ")) };
        }
        if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
            return Err(format!("{value} is not one of {}", schema["enum"]));
        }
        let of_type = |name: &str| match name {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("{other} is no type that this checker knows"),
        };
        let fits = match &schema["type"] {
            Value::String(name) => of_type(name),
            Value::Array(names) => names.iter().filter_map(Value::as_str).any(of_type),
            other => panic!("{other} is no type that this checker knows"),
        };
        if !fits {
            return Err(format!("{value} is not of type {}", schema["type"]));
        }
        for item in value.as_array().into_iter().flatten() {
            self.check(&schema["items"], item)?;
        }
        let Some(fields) = value.as_object() else { return Ok(()) };
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(required) {
                return Err(format!("{required} is missing"));
            }
        }
        // An object of which nothing is said may be anything.
        if schema.get("properties").is_none() && schema.get("additionalProperties").is_none() {
            return Ok(());
        }
        for (name, field) in fields {
            let described = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
            let described = described.ok_or_else(|| format!("{name} is not described"))?;
            self.check(described, field).map_err(|wrong| format!("{name}: {wrong}"))?;
        }
        Ok(())
    }
}

#[test]
fn a_field_too_few_too_many_or_of_another_type_is_found() {
    let json = serde_json::json!({"components": {"schemas": {"Post": {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "integer"}, "text": {"type": ["string", "null"]}},
    }}}});
    let document = Document { json, seen: RefCell::default() };
    let posts = serde_json::json!({"type": "array", "items": {"$ref": "#/components/schemas/Post"}});
    let check = |value: Value| document.check(&posts, &value);
    assert_eq!(check(serde_json::json!([{"id": 1}, {"id": 2, "text": "hi"}, {"id": 3, "text": null}])), Ok(()));
    for (value, wrong) in [
        (serde_json::json!([{"text": "hi"}]), "Post: id is missing"),
        (serde_json::json!([{"id": 1, "author": "ann"}]), "Post: author is not described"),
        (serde_json::json!([{"id": "1"}]), "Post: id: \"1\" is not of type \"integer\""),
        (serde_json::json!({"id": 1}), "{\"id\":1} is not of type \"array\""),
    ] {
        assert_eq!(check(value), Err(wrong.to_owned()));
    }
}
