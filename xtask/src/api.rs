//! Postern's administration API, as far as the verbs use it.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::http::{self, Answer};

/// A running Postern, with an admin key.
#[derive(Clone)]
pub(crate) struct Postern {
    /// Scheme, host and port.
    pub(crate) origin: String,
    /// An admin key.
    pub(crate) key: String,
}

/// An integration as the list shows it.
pub(crate) struct Integration {
    pub(crate) id: String,
    pub(crate) slug: String,
}

impl Postern {
    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let authorization = format!("Bearer {}", self.key);
        http::send(method, &format!("{}{path}", self.origin), &[("authorization", &authorization)], body)
    }

    /// The health report; an error that quotes the answer when Postern is not healthy.
    pub(crate) fn health(&self) -> Result<Value> {
        self.send("GET", "/health", None)?.expect(200, "GET /health")
    }

    /// Whether the key is accepted.
    pub(crate) fn accepts_key(&self) -> Result<bool> {
        Ok(self.send("GET", "/api/v1/integrations?limit=1", None)?.status != 401)
    }

    /// Registers an upstream that needs no credential. An integration of the same name and URL is kept; one of the
    /// same name and another URL is replaced.
    pub(crate) fn register(&self, name: &str, url: &str) -> Result<Integration> {
        let mut body = json!({ "name": name, "url": url, "authMode": "none" });
        let mut answer = self.send("POST", "/api/v1/integrations", Some(&body))?;
        if answer.status == 409 {
            if let Some(existing) = self.find(name)? {
                if existing.get("url").and_then(Value::as_str) == Some(url) {
                    return integration(&existing);
                }
                self.delete(&integration(&existing)?)?;
            }
            if let Some(fields) = body.as_object_mut() {
                fields.insert("confirmUnarchive".to_owned(), json!(true));
            }
            answer = self.send("POST", "/api/v1/integrations", Some(&body))?;
        }
        let created = answer.expect(201, &format!("registering {name}"))?;
        integration(created.get("integration").unwrap_or(&created))
    }

    fn find(&self, name: &str) -> Result<Option<Value>> {
        let page = self
            .send("GET", &format!("/api/v1/integrations?limit=100&name={name}"), None)?
            .expect(200, "listing the integrations")?;
        let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(items.into_iter().find(|item| item.get("name").and_then(Value::as_str) == Some(name)))
    }

    /// Removes an integration.
    pub(crate) fn delete(&self, integration: &Integration) -> Result<()> {
        let answer = self.send("DELETE", &format!("/api/v1/integrations/{}", integration.id), None)?;
        if answer.status != 204 {
            bail!("deleting {}: HTTP {}: {}", integration.slug, answer.status, answer.body);
        }
        Ok(())
    }

    /// Probes the upstream now; an error when the validation finds the upstream unusable.
    pub(crate) fn validate(&self, integration: &Integration) -> Result<()> {
        let what = format!("validating {}", integration.slug);
        let answer = self
            .send("POST", &format!("/api/v1/integrations/{}/validate", integration.id), None)?
            .expect(200, &what)?;
        let validated = answer.get("integration").unwrap_or(&answer);
        match validated.get("validationStatus").and_then(Value::as_str) {
            Some("valid") => Ok(()),
            _ => bail!("{what}: {validated}"),
        }
    }
}

fn integration(value: &Value) -> Result<Integration> {
    let text = |field: &str| {
        let found = value.get(field).and_then(Value::as_str).map(str::to_owned);
        found.with_context(|| format!("an integration without {field}: {value}"))
    };
    Ok(Integration { id: text("id")?, slug: text("slug")? })
}
