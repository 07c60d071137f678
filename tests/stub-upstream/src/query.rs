//! The path and query of a request, decoded.

use http::Uri;
use percent_encoding::percent_decode_str;

/// A request's target.
pub(crate) struct Target {
    segments: Vec<String>,
    pairs: Vec<(String, String)>,
}

impl Target {
    pub(crate) fn of(uri: &Uri) -> Self {
        let segments = uri.path().split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
        let pairs = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(name), decode(value))
            })
            .collect();
        Self { segments, pairs }
    }

    /// The path's segments.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// The value of a query parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A number in the query.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// Whether a switch such as `?chunked=1` is on.
    pub(crate) fn on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !matches!(value, "0" | "false"))
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
