//! The OpenAPI document, and a Postern whose answers are checked against the document.

use boon::{Compiler, Schemas};
use http::Method;
use native::{App, Reply};
use serde_json::{Value, json};

const URL: &str = "urn:openapi";
/// The scheduler token of every [`Site`].
pub(crate) const SCHEDULER_TOKEN: &str = "scheduler-token-0123456789abcdef0123456789";

/// The document as JSON.
pub(crate) struct Document(pub(crate) Value);

/// One operation of the document.
pub(crate) struct Operation {
    /// Method.
    pub(crate) method: Method,
    /// Path with its parameters in braces.
    pub(crate) path: String,
    /// The operation's object in the document.
    pub(crate) text: Value,
}

impl Operation {
    /// The operation's parameters.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &Value> {
        self.text["parameters"].as_array().into_iter().flatten()
    }

    /// Whether the operation needs a credential.
    pub(crate) fn is_protected(&self) -> bool {
        self.text["security"].as_array().is_some_and(|security| !security.is_empty())
    }

    /// The path in which each parameter is replaced by `value` of its name.
    pub(crate) fn path_with(&self, value: impl Fn(&str) -> String) -> String {
        let part = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => value(name),
            None => part.to_owned(),
        };
        self.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }
}

impl Document {
    /// The document that the code generates.
    pub(crate) fn generated() -> Self {
        Self(serde_json::to_value(all::openapi::document()).unwrap())
    }

    /// All operations.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        let paths = self.0["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(|(method, text)| Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                text: text.clone(),
            })
        });
        operations.collect()
    }

    /// The operation with this method and path.
    pub(crate) fn operation(&self, method: &Method, path: &str) -> Operation {
        let found = self.operations().into_iter().find(|it| it.method == method && it.path == path);
        found.unwrap_or_else(|| panic!("the document has no {method} {path}"))
    }

    /// The value that a `$ref` refers to; any other value is returned as it is.
    pub(crate) fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(target) => self.0.pointer(target.trim_start_matches('#')).unwrap(),
            None => value,
        }
    }

    /// Checks a reply against the document: status, media type, headers and every member of the body.
    pub(crate) fn check(&self, operation: &Operation, reply: &Reply) {
        let name = format!("{} {}: {}", operation.method, operation.path, reply.status);
        let response = &operation.text["responses"][reply.status.as_str()];
        assert!(!response.is_null(), "{name} is not in the document: {}", reply.text);
        let response = self.resolve(response);
        if reply.status.as_u16() == 201 || reply.status.as_u16() == 401 {
            for header in response["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
                assert!(!reply.header(header).is_empty(), "{name} without {header}");
            }
        }
        let Some(content) = response["content"].as_object() else {
            assert_eq!(reply.text, "", "{name}: the document knows no body");
            return;
        };
        let media_type = reply.header("content-type").split(';').next().unwrap().trim();
        let content = content.get(media_type).unwrap_or_else(|| panic!("{name} as {media_type:?}"));
        if media_type.ends_with("json") {
            let instance: Value = serde_json::from_str(&reply.text).unwrap();
            if let Err(error) = self.fits(&content["schema"], &instance, true) {
                panic!("{name}: {error:#}\n{}", reply.text);
            }
        }
    }

    /// Checks a request's body against the document.
    pub(crate) fn check_request(&self, operation: &Operation, body: &Value) {
        let schema = &operation.text["requestBody"]["content"]["application/json"]["schema"];
        assert!(!schema.is_null(), "{} {} takes no body", operation.method, operation.path);
        if let Err(error) = self.fits(schema, body, false) {
            panic!("{} {}: the request {body}: {error:#}", operation.method, operation.path);
        }
    }

    /// Whether `instance` fits `schema`. With `closed`, members that the schema does not name are errors.
    pub(crate) fn fits(&self, schema: &Value, instance: &Value, closed: bool) -> Result<(), String> {
        let mut root = json!({ "allOf": [schema], "components": self.0["components"] });
        if closed {
            let mut open = Vec::new();
            close(&mut root["components"]["schemas"], &mut open);
            for name in open {
                let component = root["components"]["schemas"][name].as_object_mut().unwrap();
                component.remove("additionalProperties");
            }
        }
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.enable_format_assertions();
        compiler.add_resource(URL, root).unwrap();
        let index = compiler.compile(URL, &mut schemas).unwrap();
        schemas.validate(instance, index).map_err(|error| format!("{error:#}"))
    }
}

/// Closes every object that names its members. The parts of an `allOf` stay open, since the whole is closed
/// instead; `open` gets the names of the parts that are components.
fn close(schema: &mut Value, open: &mut Vec<String>) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| close(item, open)),
        Value::Object(members) => {
            members.values_mut().for_each(|member| close(member, open));
            if let Some(Value::Array(parts)) = members.get_mut("allOf") {
                for part in parts {
                    if let Some(name) = part["$ref"].as_str().and_then(|target| target.rsplit('/').next()) {
                        open.push(name.to_owned());
                    } else if let Some(part) = part.as_object_mut() {
                        part.remove("additionalProperties");
                    }
                }
                members.insert("unevaluatedProperties".to_owned(), json!(false));
            } else if members.get("properties").is_some_and(Value::is_object) && members.contains_key("type")
            {
                members.entry("additionalProperties").or_insert(json!(false));
            }
        }
        _ => {}
    }
}

/// A whole Postern, and the document that describes it.
pub(crate) struct Site {
    /// Postern.
    pub(crate) app: App,
    /// The document.
    pub(crate) document: Document,
}

impl Site {
    /// A Postern with every route.
    pub(crate) fn new() -> Self {
        let tables = all::families();
        let settings = [("SCHEDULER_TOKEN", SCHEDULER_TOKEN), ("PUBLIC_URL", "https://postern.example.com")];
        Self { app: App::new(tables, &settings), document: Document::generated() }
    }

    /// Sends a request as the administrator, which must succeed. Request and answer must fit the document.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        parameters: &[(&str, &str)],
        query: &str,
        body: impl Into<Option<Value>>,
    ) -> Value {
        let body = body.into();
        let operation = self.document.operation(&method, path);
        if let Some(body) = &body {
            self.document.check_request(&operation, body);
        }
        let reply = self.send(&operation, parameters, query, body).await;
        assert!(reply.status.is_success(), "{method} {path}: {} {}", reply.status, reply.text);
        reply.json()
    }

    /// Sends a request as the administrator, which must be refused with `status`. The answer must fit the document.
    pub(crate) async fn refused(
        &self,
        status: u16,
        method: Method,
        path: &str,
        parameters: &[(&str, &str)],
        body: impl Into<Option<Value>>,
    ) -> Value {
        let operation = self.document.operation(&method, path);
        let reply = self.send(&operation, parameters, "", body.into()).await;
        assert_eq!(reply.status.as_u16(), status, "{method} {path}: {}", reply.text);
        reply.json()
    }

    async fn send(
        &self,
        operation: &Operation,
        parameters: &[(&str, &str)],
        query: &str,
        body: Option<Value>,
    ) -> Reply {
        let value = |name: &str| {
            let given = parameters.iter().find(|(key, _)| *key == name);
            given.unwrap_or_else(|| panic!("{} needs {name}", operation.path)).1.to_owned()
        };
        let path = format!("{}{query}", operation.path_with(value));
        let bearer = format!("Bearer {}", self.app.admin);
        let headers = [("authorization", bearer.as_str()), ("accept", "application/json")];
        let body = body.map_or_else(String::new, |body| body.to_string());
        let reply = self.app.send(operation.method.clone(), &path, &headers, body).await;
        self.document.check(operation, &reply);
        // The work that was left for after the response.
        self.app.settle().await;
        reply
    }
}
