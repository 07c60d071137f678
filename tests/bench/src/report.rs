//! The report: a table for people, JSON for machines.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::{
    cold::Cold,
    machine::Machine,
    measure::{Audit, Measured, Memory},
    registry::Registry,
    size::Size,
};

/// Everything a run found out.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) size: Option<Size>,
    pub(crate) components: Vec<(String, u64)>,
    pub(crate) measured: Vec<Measured>,
    pub(crate) memory: Memory,
    pub(crate) audit: Option<Audit>,
    pub(crate) cold: Option<Cold>,
    pub(crate) registry: Option<Registry>,
    /// Whether the run was cut short: smaller tables, fewer rounds.
    pub(crate) quick: bool,
}

impl Report {
    /// Requests that were not answered rightly, audit rows that are missing, and what was wrong in the registry.
    pub(crate) fn errors(&self) -> u64 {
        let missing = self.audit.as_ref().map_or(0, |audit| audit.calls.saturating_sub(audit.rows));
        let registry = self.registry.as_ref().map_or(0, Registry::errors);
        self.measured.iter().map(|measured| measured.errors).sum::<u64>() + missing + registry
    }

    fn find(&self, name: &str, concurrency: usize) -> Option<&Measured> {
        self.measured.iter().find(|measured| measured.name == name && measured.concurrency == concurrency)
    }

    /// The direct call that a target is compared with: of its own era, modern where it has none.
    fn baseline(&self, measured: &Measured, kind: &str) -> Option<&Measured> {
        let era = if measured.name.ends_with("legacy") { "legacy" } else { "modern" };
        self.find(&format!("{kind}_call_{era}"), measured.concurrency)
    }

    /// What a target adds to the direct call at the median, in microseconds.
    fn added(&self, measured: &Measured) -> Option<f64> {
        Some(measured.p50 - self.baseline(measured, "direct")?.p50)
    }

    fn added_ratio(&self, postern: &str, era: &str) -> Option<f64> {
        let added = |kind: &str| self.added(self.find(&format!("{kind}_call_{era}"), 1)?);
        Some(added(postern)? / added("passthrough")?)
    }

    fn rate_ratio(&self, postern: &str, era: &str) -> Option<f64> {
        let rate = |kind: &str| Some(self.find(&format!("{kind}_call_{era}"), 8)?.rate);
        Some(rate(postern)? / rate("passthrough")?)
    }

    /// The figures to watch, by the key that later runs are compared by.
    fn figures(&self) -> Vec<(String, f64)> {
        let rate = |name| self.find(name, 8).map(|measured| measured.rate);
        let size = |pick: fn(&Size) -> u64| self.size.as_ref().map(|size| pick(size) as f64);
        let bytes = |rss: Option<u64>| rss.map(|rss| rss as f64);
        let [idle, loaded] = self.memory.postern;
        let [floor_idle, floor_loaded] = self.memory.passthrough;
        let [spin_idle, spin_loaded] = self.memory.spin;
        let cold = self.cold.as_ref().and_then(|cold| cold.postern.as_ref());
        let floor_cold = self.cold.as_ref().map(|cold| &cold.passthrough);
        let figures = [
            ("tools_call_added_p50_vs_passthrough", self.added_ratio("postern", "modern")),
            ("tools_call_rps_vs_passthrough", self.rate_ratio("postern", "modern")),
            ("tools_call_legacy_added_p50_vs_passthrough", self.added_ratio("postern", "legacy")),
            ("tools_call_legacy_rps_vs_passthrough", self.rate_ratio("postern", "legacy")),
            ("tools_call_rps", rate("postern_call_modern")),
            ("tools_list_rps", rate("postern_list")),
            ("get_integration_rps", rate("postern_get_integration")),
            ("wasm_bytes", size(|size| size.wasm)),
            ("wasm_gzip_bytes", size(|size| size.wasm_gzip)),
            ("script_gzip_bytes", size(|size| size.script_gzip)),
            ("cold_start_ms", cold.map(|start| start.total)),
            ("cold_start_passthrough_ms", floor_cold.map(|start| start.total)),
            ("cold_first_request_ms", cold.map(|start| start.first_request)),
            ("cold_first_request_passthrough_ms", floor_cold.map(|start| start.first_request)),
            ("workerd_rss_idle_bytes", bytes(idle)),
            ("workerd_rss_bytes", bytes(loaded)),
            ("passthrough_workerd_rss_idle_bytes", bytes(floor_idle)),
            ("passthrough_workerd_rss_bytes", bytes(floor_loaded)),
            ("spin_tools_call_added_p50_vs_passthrough", self.added_ratio("spin", "modern")),
            ("spin_tools_call_rps_vs_passthrough", self.rate_ratio("spin", "modern")),
            ("spin_tools_call_rps", rate("spin_call_modern")),
            ("spin_tools_list_rps", rate("spin_list")),
            ("spin_get_integration_rps", rate("spin_get_integration")),
            ("spin_host_rss_idle_bytes", bytes(spin_idle)),
            ("spin_host_rss_bytes", bytes(spin_loaded)),
        ];
        let figures = figures.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        let components = self
            .components
            .iter()
            .map(|(name, bytes)| (format!("component_{name}_gzip_bytes"), *bytes as f64));
        figures.chain(components).chain(self.registry.iter().flat_map(Registry::figures)).collect()
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("machine   {}\nversions  {}\n", self.machine.machine, self.machine.versions);
        let mut concurrency = None;
        for measured in &self.measured {
            if concurrency.replace(measured.concurrency) != Some(measured.concurrency) {
                let _ = write!(
                    text,
                    "\nconcurrency {}\n{:<28}{:>10}{:>10}{:>10}{:>10}{:>9}{:>9}{:>10}{:>8}\n",
                    measured.concurrency,
                    "",
                    "p50 µs",
                    "p99 µs",
                    "req/s",
                    "added µs",
                    "rps/(a)",
                    "rps/(b)",
                    "cpu µs",
                    "errors"
                );
            }
            let ratio = |kind| self.baseline(measured, kind).map(|other| measured.rate / other.rate);
            let _ = writeln!(
                text,
                "{:<28}{:>10.0}{:>10.0}{:>10.0}{:>10}{:>9}{:>9}{:>10}{:>8}",
                title(measured.name),
                measured.p50,
                measured.p99,
                measured.rate,
                or_dash(self.added(measured), 0),
                or_dash(ratio("direct"), 2),
                or_dash(ratio("passthrough"), 2),
                or_dash(measured.cpu, 0),
                measured.errors,
            );
            if let Some(error) = &measured.first_error {
                let _ = writeln!(text, "    first error: {error}");
            }
        }
        text.extend(self.registry.as_ref().map(Registry::table));
        if self.quick {
            text.push_str("\nquick: short rounds and small tables; ratios hold, p99 and the growth of lists are rough\n");
        }
        text.push('\n');
        for (key, value) in self.figures() {
            let _ = writeln!(text, "{key:<46}{:>12}{}", show(&key, value), aim(&key));
        }
        if let Some(audit) = &self.audit {
            let _ = writeln!(text, "{:<46}{:>12} for {} calls", "audit rows", audit.rows, audit.calls);
        }
        text
    }

    /// For machines.
    pub(crate) fn json(&self) -> Value {
        let results: Vec<_> = self
            .measured
            .iter()
            .map(|measured| {
                json!({
                    "target": measured.name,
                    "concurrency": measured.concurrency,
                    "p50_us": round(measured.p50),
                    "p99_us": round(measured.p99),
                    "rps": round(measured.rate),
                    "cpu_us": measured.cpu.map(round),
                    "added_p50_us": self.added(measured).map(round),
                    "requests": measured.requests,
                    "errors": measured.errors,
                })
            })
            .collect();
        let ratios: Map<_, _> = self
            .figures()
            .into_iter()
            .map(|(key, value)| {
                let shown = number(&key, value);
                (key, shown)
            })
            .collect();
        let audit = self.audit.as_ref().map(|audit| json!({"calls": audit.calls, "rows": audit.rows}));
        json!({
            "machine": self.machine.machine,
            "versions": self.machine.versions,
            "results": results,
            "ratios": ratios,
            "audit": audit,
            "registry": self.registry.as_ref().map(Registry::json),
            "quick": self.quick,
        })
    }
}

/// How a target is called in the table; the letters are those of the comparison.
fn title(name: &'static str) -> &'static str {
    match name {
        "direct_call_modern" => "a  direct, modern",
        "passthrough_call_modern" => "b  pass-through, modern",
        "direct_call_legacy" => "a' direct, legacy",
        "passthrough_call_legacy" => "b' pass-through, legacy",
        "postern_call_modern" => "c  Postern call, modern",
        "postern_call_legacy" => "c' Postern call, legacy",
        "postern_list" => "d  Postern list, 200 tools",
        "postern_get_integration" => "e  Postern GET integration",
        "spin_call_modern" => "c  on Spin: call, modern",
        "spin_call_legacy" => "c' on Spin: call, legacy",
        "spin_list" => "d  on Spin: list, 200 tools",
        "spin_get_integration" => "e  on Spin: GET integration",
        _ => name,
    }
}

/// What a figure should come to: to steer by, not to pass or fail by.
fn aim(key: &str) -> &'static str {
    match key {
        "tools_call_added_p50_vs_passthrough" => "  (target: at most 2×)",
        "tools_call_rps_vs_passthrough" => "  (target: at least 0.5×)",
        "wasm_gzip_bytes" => "  (target: at most 1.5 MB)",
        key if key.contains("registry_list_") && key.ends_with("_growth") => "  (target: about 1×)",
        key if key.starts_with("component_") => "  (target: at most 1 MB)",
        _ => "",
    }
}

/// A figure for people. The end of its key names its unit.
fn show(key: &str, value: f64) -> String {
    if key.ends_with("_bytes") {
        if value < 1e6 { format!("{:.1} kB", value / 1e3) } else { format!("{:.2} MB", value / 1e6) }
    } else if key.ends_with("_ms") {
        format!("{value:.1} ms")
    } else if key.ends_with("_rps") {
        format!("{value:.0} /s")
    } else if key.ends_with("_each") {
        format!("{value:.2}")
    } else {
        format!("{value:.2}×")
    }
}

/// A figure for machines.
fn number(key: &str, value: f64) -> Value {
    if key.ends_with("_bytes") {
        json!(value as u64)
    } else if key.ends_with("_ms") || key.ends_with("_rps") {
        json!(round(value))
    } else {
        json!((value * 1000.0).round() / 1000.0)
    }
}

pub(crate) fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

pub(crate) fn or_dash(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
}
