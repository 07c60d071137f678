//! Checks of the key-value port and of the typed layer above it.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::kv;
use kernel::kv::Family;
use kernel::ports::Ports;

use super::{Outcome, Suite, same, text};

struct Sample;

impl Family for Sample {
    const PREFIX: &'static str = "port-suite:";
    type Key = String;
    type Value = BTreeMap<String, serde_json::Value>;
}

pub(super) async fn run(platform: &Ports, suite: &mut Suite) {
    suite.check("kv: a stored text is returned unchanged until it is deleted", round_trip(platform)).await;
    suite.check("kv: a stored map is returned whole, not as {}", map(platform)).await;
    suite.check("kv: an entry expires by the time inside its value", expiry(platform)).await;
}

async fn round_trip(platform: &Ports) -> Outcome {
    let (kv, key) = (&platform.kv, "port-suite:ключ");
    let hour = Duration::from_hours(1);
    same(kv.get("port-suite:never written").await.map_err(text)?, None)?;
    for value in ["", "{\"a\":1}", "naïve \u{1F980}"] {
        kv.put(key, value, hour).await.map_err(text)?;
        same(kv.get(key).await.map_err(text)?.as_deref(), Some(value))?;
    }
    kv.delete(key).await.map_err(text)?;
    same(kv.get(key).await.map_err(text)?, None)?;
    kv.delete(key).await.map_err(text)
}

fn sample() -> BTreeMap<String, serde_json::Value> {
    [("a".to_owned(), 1.into()), ("nested".to_owned(), serde_json::json!({ "b": [null, "c"] }))].into()
}

async fn map(platform: &Ports) -> Outcome {
    let key = "map".to_owned();
    kv::put::<Sample>(platform, &key, &sample(), Duration::from_mins(1)).await;
    same(kv::get::<Sample>(platform, &key).await, Some(sample()))
}

async fn expiry(platform: &Ports) -> Outcome {
    let key = "short".to_owned();
    kv::put::<Sample>(platform, &key, &sample(), Duration::from_millis(40)).await;
    platform.clock.sleep(Duration::from_millis(80)).await;
    same(kv::get::<Sample>(platform, &key).await, None)
}
