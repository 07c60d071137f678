//! A real browser: headless Chromium, in which people with profiles of their own open Postern's pages by its public URL.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{api::Api, environment, oauth::PUBLIC_URL, process::Process};

/// A running Chromium; see `tests/peers/browser.mjs`.
pub struct Chromium {
    control: String,
    _process: Process,
}

/// A person with a browser profile of their own.
pub struct Person<'c> {
    chromium: &'c Chromium,
    name: String,
}

/// What a person sees, and what their browser has done so far.
#[derive(Clone, Debug, Deserialize)]
pub struct View {
    /// The URL of the page.
    pub url: String,
    /// The status of the page's response.
    pub status: Option<u16>,
    /// The page's title.
    pub title: String,
    /// The page's heading.
    pub heading: String,
    /// The text that is visible on the page.
    pub text: String,
    /// The URL that the page was reached from, as far as that page lets its browser tell.
    pub referrer: String,
    /// What the browser reported about Postern's pages: violations of their content security policies, and errors.
    pub reports: Vec<String>,
    /// The requests to Postern's public URL.
    pub requests: Vec<Sent>,
}

/// A request that the browser sent to Postern's public URL.
#[derive(Clone, Debug, Deserialize)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The status of Postern's response; none when the request did not reach Postern.
    pub status: Option<u16>,
    /// The header `Origin`.
    pub origin: Option<String>,
    /// The header `Cookie`.
    pub cookie: Option<String>,
}

impl Chromium {
    /// Starts Chromium. `postern` is Postern's real origin.
    pub async fn start(postern: &str) -> Result<Self> {
        let mut command = Command::new(environment::path(environment::NODE)?);
        command
            .arg(environment::path(environment::PEERS)?.join("browser.mjs"))
            .arg(environment::path(environment::CHROMIUM)?);
        let options = json!({"postern": postern, "publicUrl": PUBLIC_URL});
        let (process, ready) = Process::start("Chromium", &mut command, &options).await?;
        let control = ready["control"].as_str().with_context(|| ready.to_string())?.to_owned();
        Ok(Self { control, _process: process })
    }

    /// A person. Names that nobody has yet give fresh profiles.
    pub fn person(&self, name: &str) -> Person<'_> {
        Person { chromium: self, name: name.to_owned() }
    }
}

impl Person<'_> {
    /// Looks at the page that is shown.
    pub async fn look(&self) -> Result<View> {
        self.act(json!({})).await
    }

    /// Opens a URL.
    pub async fn open(&self, url: &str) -> Result<View> {
        self.act(json!({"open": url})).await
    }

    /// Types into the field with a name.
    pub async fn fill(&self, field: &str, text: &str) -> Result<View> {
        self.act(json!({"fill": {field: text}})).await
    }

    /// Presses a button or follows a link, and waits for a page with a heading.
    pub async fn press(&self, label: &str, heading: &str) -> Result<View> {
        self.act(json!({"press": label, "until": heading})).await
    }

    /// From now on, requests whose path begins with `path` do not reach Postern.
    pub async fn keep(&self, path: Option<&str>) -> Result<View> {
        self.act(json!({"keep": path})).await
    }

    /// From now on, `markup` is inserted into Postern's pages.
    pub async fn insert(&self, markup: Option<&str>) -> Result<View> {
        self.act(json!({"insert": markup})).await
    }

    async fn act(&self, mut what: Value) -> Result<View> {
        what["person"] = json!(self.name);
        let answer = Api::to(&self.chromium.control)?.post("/", &what).await?;
        ensure!(answer.status == 200, "{}, {what}: {}", self.name, answer.text);
        serde_json::from_str(&answer.text).with_context(|| answer.text)
    }
}
