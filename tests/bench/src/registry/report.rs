//! The registry's part of the report.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    Line, Party, Registry, Route,
    sweep::{Pass, Sweep},
};
use crate::report::{or_dash, round};

impl Party {
    fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Workerd => "workerd",
            Self::Spin => "spin",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Baseline => "the same SQL alone",
            Self::Workerd => "Postern",
            Self::Spin => "Postern on Spin",
        }
    }
}

impl Registry {
    /// What was wrong.
    pub(crate) fn errors(&self) -> u64 {
        let answers = self.lines.iter().map(|line| line.measured.errors).sum::<u64>();
        answers + self.sweeps.iter().flat_map(|sweep| &sweep.passes).map(|pass| pass.wrong).sum::<u64>()
    }

    fn find(&self, party: Party, route: Route, size: usize, concurrency: usize) -> Option<&Line> {
        self.lines.iter().find(|line| {
            (line.party, line.route, line.size, line.measured.concurrency)
                == (party, route, size, concurrency)
        })
    }

    /// What a line is compared with.
    fn baseline(&self, line: &Line) -> Option<&Line> {
        let other = self.find(Party::Baseline, line.route, line.size, line.measured.concurrency)?;
        (line.party != Party::Baseline).then_some(other)
    }

    fn latency(&self, line: &Line) -> Option<f64> {
        Some(line.measured.p50 / self.baseline(line)?.measured.p50)
    }

    fn rate(&self, line: &Line) -> Option<f64> {
        Some(line.measured.rate / self.baseline(line)?.measured.rate)
    }

    /// The smallest and the largest registry, and the lowest and the highest concurrency.
    fn ends(&self) -> Option<[usize; 4]> {
        let sizes = || self.lines.iter().map(|line| line.size);
        let concurrencies = || self.lines.iter().map(|line| line.measured.concurrency);
        Some([sizes().min()?, sizes().max()?, concurrencies().min()?, concurrencies().max()?])
    }

    /// The figures to watch.
    pub(crate) fn figures(&self) -> Vec<(String, f64)> {
        let mut figures = Vec::new();
        if let Some([small, large, low, high]) = self.ends() {
            for party in [Party::Workerd, Party::Spin] {
                let prefix = if party == Party::Spin { "spin_" } else { "" };
                for route in Route::ALL {
                    let key = |what: &str| format!("{prefix}{}_{what}", route.key());
                    let calm = self.find(party, route, large, low);
                    let busy = self.find(party, route, large, high);
                    figures.extend(
                        calm.and_then(|line| self.latency(line))
                            .map(|factor| (key("p50_vs_baseline"), factor)),
                    );
                    figures.extend(
                        busy.and_then(|line| self.rate(line)).map(|factor| (key("rps_vs_baseline"), factor)),
                    );
                    let before =
                        self.find(party, route, small, low).filter(|_| small != large && !route.creates());
                    let growth =
                        calm.zip(before).map(|(after, before)| after.measured.p50 / before.measured.p50);
                    figures.extend(growth.map(|growth| (key("growth"), growth)));
                }
            }
        }
        for sweep in &self.sweeps {
            for (pass, name) in sweep.passes.iter().zip(PASSES) {
                if let Some(counts) = &pass.counts {
                    let each = |count: u64| count as f64 / sweep.integrations as f64;
                    figures.push((format!("registry_sweep_{name}_statements_each"), each(counts.total())));
                    figures.push((format!("registry_sweep_{name}_calls_each"), each(counts.calls)));
                } else {
                    let prefix = if sweep.place == "spin" { "spin_" } else { "" };
                    figures.push((format!("{prefix}registry_sweep_{name}_ms"), pass.seconds * 1000.0));
                }
            }
        }
        figures
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let mut head = None;
        for line in &self.lines {
            let measured = &line.measured;
            if head.replace(measured.concurrency) != Some(measured.concurrency) {
                let _ = write!(
                    text,
                    "\nregistry, concurrency {}\n{:<26}{:>9}  {:<20}{:>9}{:>10}{:>9}{:>9}{:>9}{:>9}{:>8}\n",
                    measured.concurrency,
                    "",
                    "rows",
                    "",
                    "p50 µs",
                    "p99 µs",
                    "req/s",
                    "p50/base",
                    "rps/base",
                    "cpu µs",
                    "errors"
                );
            }
            let _ = writeln!(
                text,
                "{:<26}{:>9}  {:<20}{:>9.0}{:>10.0}{:>9.0}{:>9}{:>9}{:>9}{:>8}",
                line.route.title(),
                line.size,
                line.party.title(),
                measured.p50,
                measured.p99,
                measured.rate,
                or_dash(self.latency(line), 2),
                or_dash(self.rate(line), 2),
                or_dash(measured.cpu, 0),
                measured.errors,
            );
            if let Some(error) = &measured.first_error {
                let _ = writeln!(text, "    first error: {error}");
            }
        }
        if !self.lines.is_empty() {
            text.push_str("\nstatements of a request (+ after the answer), the same in both\n");
            for (route, names) in &self.statements {
                let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
                for (number, name) in names.enumerate() {
                    let route = if number == 0 { route.as_str() } else { "" };
                    let _ = writeln!(text, "    {route:<22}{name}");
                }
            }
        }
        self.sweeps.iter().for_each(|sweep| sweep.tell(&mut text));
        text
    }

    /// For machines.
    pub(crate) fn json(&self) -> Value {
        let results: Vec<_> = self
            .lines
            .iter()
            .map(|line| {
                let thousandths = |value: f64| (value * 1000.0).round() / 1000.0;
                json!({
                    "target": line.route.key(),
                    "by": line.party.name(),
                    "integrations": line.size,
                    "concurrency": line.measured.concurrency,
                    "p50_us": round(line.measured.p50),
                    "p99_us": round(line.measured.p99),
                    "rps": round(line.measured.rate),
                    "cpu_us": line.measured.cpu.map(round),
                    "p50_vs_baseline": self.latency(line).map(thousandths),
                    "rps_vs_baseline": self.rate(line).map(thousandths),
                    "requests": line.measured.requests,
                    "errors": line.measured.errors,
                })
            })
            .collect();
        let sweeps: Vec<_> = self.sweeps.iter().flat_map(Sweep::json).collect();
        json!({"results": results, "statements": self.statements, "sweeps": sweeps})
    }
}

/// What the sweeps are called.
const PASSES: [&str; 2] = ["first", "unchanged"];

impl Sweep {
    fn tell(&self, text: &mut String) {
        let _ = write!(
            text,
            "\nvalidation sweep of {} due integrations, {}\n{:<12}{:>9}{:>8}{:>16}{:>18}{:>16}{:>8}\n",
            self.integrations,
            if self.place == "native" { "statements counted in a native process" } else { self.place },
            "catalogues",
            "seconds",
            "ticks",
            "integrations/s",
            "statements each",
            "DB calls each",
            "wrong"
        );
        let all = self.integrations as f64;
        for (pass, name) in self.passes.iter().zip(["new", "unchanged"]) {
            let each = |pick: fn(&Pass) -> Option<u64>| pick(pass).map(|count| count as f64 / all);
            let _ = writeln!(
                text,
                "{name:<12}{:>9.2}{:>8}{:>16.0}{:>18}{:>16}{:>8}",
                pass.seconds,
                pass.ticks,
                all / pass.seconds,
                or_dash(each(|pass| Some(pass.counts.as_ref()?.total())), 2),
                or_dash(each(|pass| Some(pass.counts.as_ref()?.calls)), 2),
                pass.wrong,
            );
            if let Some(error) = &pass.first_error {
                let _ = writeln!(text, "    first error: {error}");
            }
            for (statement, count) in pass.counts.iter().flat_map(|counts| &counts.statements) {
                let _ = writeln!(text, "    {statement:<40}{count:>8}");
            }
        }
    }

    fn json(&self) -> Vec<Value> {
        let passes = self.passes.iter().zip(PASSES).map(|(pass, name)| {
            json!({
                "place": self.place,
                "sweep": name,
                "integrations": self.integrations,
                "seconds": (pass.seconds * 1000.0).round() / 1000.0,
                "ticks": pass.ticks,
                "statements": pass.counts.as_ref().map(|counts| &counts.statements),
                "database_calls": pass.counts.as_ref().map(|counts| counts.calls),
                "wrong": pass.wrong,
            })
        });
        passes.collect()
    }
}
