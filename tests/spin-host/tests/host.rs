//! The test host runs a component that uses everything that the host provides.

// A test program: every failed expectation has to end the test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods
)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::OnceLock,
    thread::sleep,
    time::{Duration, Instant},
};

use futures_util::{SinkExt as _, StreamExt as _, future::join_all};
use reqwest::{Body, Client, Response};
use serde_json::{Value, json};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixture/spin.toml");

struct Host {
    process: Child,
    out: BufReader<ChildStdout>,
    url: String,
}

/// Builds the component that the tests run, unless `cargo xtask test` did, which builds all components in one go.
fn build() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        if std::env::var_os("POSTERN_COMPONENTS_BUILT").is_some() {
            return;
        }
        let status = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--profile",
                "component",
                "--package",
                "spin-host-fixture",
                "--target",
                "wasm32-wasip2",
            ])
            // For the test harness, not for the compiler.
            .env_remove("RUSTC_BOOTSTRAP")
            .status();
        assert!(status.unwrap().success(), "the component cannot be built");
    });
}

impl Host {
    fn start(upstream: &str) -> Self {
        Self::with(&json!({
            "manifest": MANIFEST, "variables": {"secret": "s", "upstream": upstream}, "state_dir": null, "port": 0,
        }))
    }

    /// With a database that behaves as a libSQL server does.
    fn remote(patience: &Value) -> Self {
        Self::with(&json!({
            "manifest": MANIFEST, "variables": {"secret": "s", "upstream": "none:1"}, "remote_sqlite": patience,
        }))
    }

    fn with(start: &Value) -> Self {
        build();
        let mut process = Command::new(env!("CARGO_BIN_EXE_spin-host"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let mut host = Self { process, out, url: String::new() };
        let ready = host.exchange(start);
        assert_eq!(ready["ready"], true, "{ready}");
        assert_eq!(ready["pid"], host.process.id());
        ready["url"].as_str().unwrap().clone_into(&mut host.url);
        host
    }

    fn send(&mut self, line: &Value) {
        writeln!(self.process.stdin.as_ref().unwrap(), "{line}").unwrap();
    }

    fn exchange(&mut self, line: &Value) -> Value {
        self.send(line);
        let mut answer = String::new();
        self.out.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    fn result(&mut self, line: &Value) -> Value {
        let answer = self.exchange(line);
        assert_eq!(answer["ok"], true, "{answer}");
        answer["result"].clone()
    }

    fn authority(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        Client::new().get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn sqlite() {
    let host = Host::start("none:1");
    let answer = host.json("/sqlite").await;
    assert!(answer["syntax"].as_str().unwrap().contains("syntax error"), "{answer}");
    assert!(answer["foreign"].as_str().unwrap().contains("FOREIGN KEY constraint failed"), "{answer}");
    assert!(answer["denied"].as_str().unwrap().contains("AccessDenied"), "{answer}");
    for (name, expected) in [
        ("rowid", json!(40)),
        ("changes", json!(1)),
        ("unseen", json!(0)),
        ("seen", json!(40)),
        ("columns", json!(0)),
        ("types", json!(true)),
    ] {
        assert_eq!(answer[name], expected, "{name}");
    }
    assert_eq!(host.json("/sqlite/abandon").await, json!({"first": true, "kept": 0}));
    assert_eq!(host.json("/sqlite/handles").await, 256);
    assert_eq!(host.json("/sqlite/handles").await, 256, "closed connections do not count any more");
}

#[tokio::test]
async fn a_remote_database_counts_no_changes_and_keeps_its_engine() {
    let rules = Host::remote(&json!({})).json("/sqlite/rules").await;
    assert_eq!((&rules["returned"], &rules["changes"]), (&json!(2), &json!(0)), "{rules}");
    assert!(rules["wal"].as_str().unwrap().contains("unsupported statement"), "{rules}");
    assert_eq!(rules["foreign_keys"], Value::Null);
    let unique = rules["unique"].as_str().unwrap();
    assert!(unique.contains("Hrana") && unique.contains("UNIQUE constraint failed: marks.id"), "{rules}");

    let rules = Host::start("none:1").json("/sqlite/rules").await;
    assert_eq!((&rules["returned"], &rules["changes"]), (&json!(2), &json!(2)), "{rules}");
    assert_eq!(rules["wal"], Value::Null, "a file is not so strict");
}

#[tokio::test]
async fn a_remote_database_forgets_idle_connections() {
    let found = Host::remote(&json!({"idle_ms": 200})).json("/sqlite/idle?500").await;
    for after in found["after"].as_array().unwrap() {
        assert!(after.as_str().unwrap().contains("STREAM_EXPIRED"), "{found}");
    }
    assert_eq!((&found["before"], &found["other"]), (&Value::Null, &Value::Null), "{found}");
    // Ten seconds, if nothing else is said; and a file forgets nothing.
    for host in [Host::remote(&json!({})), Host::start("none:1")] {
        assert_eq!(host.json("/sqlite/idle?500").await["after"], json!([null, null]));
    }
}

#[tokio::test]
async fn a_remote_database_undoes_a_transaction_that_stays_open() {
    let found = Host::remote(&json!({"transaction_ms": 300})).json("/sqlite/stuck").await;
    assert!(found["next"].as_str().unwrap().contains("TRANSACTION_TIMEOUT"), "{found}");
    assert_eq!((&found["rows"], &found["later"]), (&json!(0), &json!(1)), "{found}");
}

#[tokio::test]
async fn key_value_and_variables() {
    let host = Host::start("none:1");
    let mut answer = host.json("/key-value").await;
    assert!(answer["denied"].take().as_str().unwrap().contains("AccessDenied"));
    let expected =
        json!({"value": "2", "none": true, "exists": [true, false], "keys": ["a"], "denied": null});
    assert_eq!(answer, expected);

    let answer = host.json("/variables").await;
    assert_eq!(answer[0], "by default");
    assert_eq!(answer[1], "<s>");
    assert!(answer[2]["error"].as_str().unwrap().contains("Undefined"), "{answer}");
    assert!(answer[3]["error"].as_str().unwrap().contains("InvalidName"), "{answer}");
}

#[tokio::test]
async fn a_component_has_no_rights_of_its_own() {
    let host = Host::start("none:1");
    for (path, error) in [
        ("/named/x/sqlite", "AccessDenied"),
        ("/named/x/key-value", "AccessDenied"),
        ("/named/x/fetch?http://none:1/", "HttpRequestDenied"),
        ("/fetch?http://none:2/", "HttpRequestDenied"),
        ("/fetch?https://none:1/", "HttpRequestDenied"),
    ] {
        let response = host.get(path).await;
        assert_eq!(response.status(), 418, "{path}");
        let text = response.text().await.unwrap();
        assert!(text.contains(error), "{path}: {text}");
    }
    assert!(host.json("/named/x/variables").await[0]["error"].is_string());
}

#[tokio::test]
async fn requests_arrive_as_from_spin() {
    let host = Host::start("none:1");
    let request = Client::new()
        .get(format!("{}/named/x/request?q=1", host.url))
        .header("host", "postern.example:8")
        .header("spin-client-addr", "6.6.6.6:6")
        .header("x-own", "a");
    let answer: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    let values = |name: &str| -> Vec<String> {
        let headers = answer["headers"].as_array().unwrap().iter();
        let named = headers.filter(|header| header[0] == name);
        named.map(|header| header[1].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(answer["uri"], "http://postern.example:8/named/x/request?q=1");
    assert_eq!(values("host"), ["postern.example:8"]);
    assert_eq!(values("x-own"), ["a"]);
    assert_eq!(values("connection"), [""; 0]);
    assert_eq!(values("spin-full-url"), ["http://postern.example:8/named/x/request?q=1"]);
    assert_eq!(values("spin-path-info"), ["/request"]);
    assert_eq!(values("spin-matched-route"), ["/named/:name/..."]);
    assert_eq!(values("spin-component-route"), ["/named/:name"]);
    assert_eq!(values("spin-path-match-name"), ["x"]);
    let addresses = values("spin-client-addr");
    assert_eq!(addresses[0], "6.6.6.6:6", "the client's own header comes first");
    assert!(addresses[1].starts_with("127.0.0.1:"), "{addresses:?}");
    assert_eq!(host.get("/.well-known/spin/health").await.text().await.unwrap(), "OK");
}

/// Sends each part only when the one before has come back, which a host that collects bodies would never let happen.
async fn converse(url: String) {
    let (mut sender, receiver) = futures_channel::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    sender.send(Ok(b"0".to_vec())).await.unwrap();
    let response = Client::new().post(url).body(Body::wrap_stream(receiver)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut parts = response.bytes_stream();
    for part in 1..5 {
        let back = parts.next().await.unwrap().unwrap();
        assert_eq!(back, (part - 1).to_string());
        sender.send(Ok(part.to_string().into_bytes())).await.unwrap();
    }
    drop(sender);
    assert_eq!(parts.next().await.unwrap().unwrap(), "4");
    assert!(parts.next().await.is_none());
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    const LIMIT: Duration = Duration::from_secs(20);
    let upstream = Host::start("none:1");
    let host = Host::start(upstream.authority());
    tokio::time::timeout(LIMIT, converse(format!("{}/echo", host.url)))
        .await
        .expect("buffered on the way in");
    let through = format!("{}/fetch?{}/echo", host.url, upstream.url);
    tokio::time::timeout(LIMIT, converse(through)).await.expect("buffered on the way out");

    let large = vec![b'x'; 3_000_000];
    let url = format!("{}/fetch?{}/echo", host.url, upstream.url);
    let back = Client::new().post(url).body(large.clone()).send().await.unwrap().bytes().await.unwrap();
    assert!(back == large, "{} bytes came back", back.len());

    let answer = host.get(&format!("/fetch?{}/request", upstream.url)).await.text().await.unwrap();
    let authority = json!(["host", upstream.authority()]).to_string();
    assert!(answer.contains(&authority) && answer.contains("x-extra"), "{answer}");
}

#[tokio::test]
async fn many_requests_at_once() {
    let host = Host::start("none:1");
    let started = Instant::now();
    let all = join_all((0..40).map(|_| async { host.get("/slow").await.text().await.unwrap() })).await;
    assert!(all.iter().all(|text| text == "first second"), "{all:?}");
    // One after the other, the requests would take 20 s.
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[tokio::test]
async fn work_after_the_answer_runs_to_its_end() {
    let mut host = Host::start("none:1");
    let started = Instant::now();
    assert_eq!(host.json("/later").await, "at once");
    assert!(started.elapsed() < Duration::from_millis(1400), "{:?}", started.elapsed());
    assert_eq!(host.result(&json!({"id": 1, "cmd": "kv"})), json!({}));
    while host.result(&json!({"id": 2, "cmd": "kv"})) != json!({"later": "done"}) {
        assert!(started.elapsed() < Duration::from_secs(20));
        sleep(Duration::from_millis(50));
    }
}

#[tokio::test]
async fn a_panic_is_one_500() {
    let host = Host::start("none:1");
    for _ in 0..3 {
        let response = host.get("/panic").await;
        assert_eq!(response.status(), 500);
        assert_eq!(response.text().await.unwrap(), "");
        assert_eq!(host.get("/request").await.status(), 200);
    }
}

#[tokio::test]
async fn state_outlives_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let start = json!({
        "manifest": MANIFEST, "variables": {"secret": "s", "upstream": "none:1"}, "state_dir": folder.path(),
    });
    let mut host = Host::with(&start);
    host.json("/key-value").await;
    host.result(&json!({"id": 1, "cmd": "sql", "sql": "CREATE TABLE pairs (id TEXT, half TEXT)"}));
    for round in 0..3 {
        // Kills the host in the middle of writing.
        let url = host.url.clone();
        let writes = tokio::spawn(async move {
            let client = Client::new();
            for id in 0.. {
                let write = client.get(format!("{url}/sqlite/write?{round}-{id}")).send().await;
                if write.is_err() {
                    return id;
                }
            }
            0
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        host.send(&json!({"id": 2, "cmd": "kill"}));
        assert!(!host.process.wait().unwrap().success());
        let answered = writes.await.unwrap();
        host = Host::with(&start);
        let halves = format!(
            "SELECT count(*) AS pairs, coalesce(max(halves), 2) AS most, coalesce(min(halves), 2) AS least FROM \
             (SELECT count(*) AS halves FROM pairs WHERE id LIKE '{round}-%' GROUP BY id)"
        );
        let found = host.result(&json!({"id": 3, "cmd": "sql", "sql": halves}))[0].clone();
        assert_eq!((&found["most"], &found["least"]), (&json!(2), &json!(2)), "half a transaction is there");
        assert!(answered > 0 && found["pairs"].as_i64().unwrap() >= answered, "{found}, answered {answered}");
    }
    assert_eq!(host.result(&json!({"id": 4, "cmd": "kv"})), json!({"a": "2"}));
}

#[test]
fn orders() {
    let mut host = Host::start("none:1");
    let row = host
        .result(&json!({"id": 1, "cmd": "sql", "sql": "SELECT ?1 AS a, ?2 AS b, ?3 AS c, x'00ff' AS d",
        "params": ["t", 1.5, null]}));
    assert_eq!(row, json!([{"a": "t", "b": 1.5, "c": null, "d": [0, 255]}]));
    host.result(&json!({"id": 2, "cmd": "batch", "statements": ["CREATE TABLE t (a UNIQUE)", "INSERT INTO t VALUES (1)"]}));
    let statements = ["INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (1)"];
    let refused = host.exchange(&json!({"id": "x", "cmd": "batch", "statements": statements}));
    assert_eq!((&refused["id"], &refused["ok"]), (&json!("x"), &json!(false)));
    assert!(refused["error"].as_str().unwrap().contains("UNIQUE"), "{refused}");
    assert_eq!(host.result(&json!({"id": 3, "cmd": "sql", "sql": "SELECT a FROM t"})), json!([{"a": 1}]));
    let unknown = host.exchange(&json!({"id": 4, "cmd": "dance"}));
    assert_eq!((&unknown["id"], &unknown["ok"]), (&json!(4), &json!(false)));
    assert_eq!(host.exchange(&json!({"id": 5, "cmd": "stop"})), json!({"id": 5, "ok": true, "result": null}));
    assert!(host.process.wait().unwrap().success());
}

/// The temporary folder of a running host, found by the database file that the host has open.
fn temporary_folder(host: &Host) -> PathBuf {
    let open = std::fs::read_dir(format!("/proc/{}/fd", host.process.id())).unwrap();
    let files = open.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    let found = files.into_iter().find(|file| file.ends_with("sqlite_key_value.db"));
    found.as_deref().and_then(Path::parent).unwrap().to_owned()
}

#[test]
fn ends_with_its_parent_and_leaves_nothing() {
    let mut host = Host::start("none:1");
    let folder = temporary_folder(&host);
    assert!(folder.exists());
    drop(host.process.stdin.take());
    assert!(host.process.wait().unwrap().success());
    assert!(!folder.exists());
    let mut rest = String::new();
    host.out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "stdout carries the protocol alone");

    let mut host = Host::start("none:1");
    let folder = temporary_folder(&host);
    host.send(&json!({"id": 1, "cmd": "kill"}));
    assert!(!host.process.wait().unwrap().success());
    let started = Instant::now();
    while folder.exists() {
        assert!(started.elapsed() < Duration::from_secs(10), "{} is left behind", folder.display());
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn tells_what_is_wrong_with_the_manifest() {
    build();
    let mut process = Command::new(env!("CARGO_BIN_EXE_spin-host"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = json!({"manifest": MANIFEST, "variables": {"secret": "s"}});
    writeln!(process.stdin.take().unwrap(), "{start}").unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("variable upstream is required"), "{error}");
}
