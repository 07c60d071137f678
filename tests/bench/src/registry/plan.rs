//! What the baseline Worker does: the statements of Postern's own routes, recorded from Postern, with places for what
//! differs from one request to the next. Statements that read API keys or the schema's version are left out: they
//! belong to authentication and to the start of an instance.

use anyhow::{Context as _, Result, ensure};
use http::{Method, StatusCode};
use kernel::ports;
use serde_json::{Map, Value, json};

use super::native::{Native, Record};
use super::recorder::{Kind, Step};
use super::route::Route;
use super::seed::Seeds;
use super::{recorder, route, seed};

/// Names of statements that are not a route's own.
const NOT_THE_ROUTE: [&str; 2] = ["api_keys.", "schema."];
/// How far from an integration's creation a number may be and still be a time.
const A_DAY: i64 = 86_400_000;

/// The statements of each route.
pub(super) struct Plan {
    routes: Map<String, Value>,
    /// The names of the statements by route; those after the answer behind a `+`.
    pub(super) names: Map<String, Value>,
    /// The columns of the last integration before a page, which the statements of that page need.
    pub(super) anchor: Vec<String>,
}

/// What stands in recorded parameters, and the place that takes its place.
#[derive(Default)]
struct Places {
    texts: Vec<(String, String)>,
    /// When it was created.
    created_at: Option<i64>,
}

impl Plan {
    /// As the baseline Worker takes it.
    pub(super) fn binding(&self) -> Value {
        Value::Object(self.routes.clone())
    }

    /// Lets a Postern do everything once and writes down what it asks its database.
    pub(super) async fn record(native: &Native, seeds: &Seeds, upstream: &str) -> Result<Self> {
        let mut plan = Self { routes: Map::new(), names: Map::new(), anchor: Vec::new() };
        for sql in seeds.statements(2 * route::PAGE, native.now())? {
            native.execute(sql).await?;
        }
        // What an instance remembers is not asked again: the second request is the one to look at.
        native.admin(Method::GET, route::LIST, None, StatusCode::OK).await?;
        plan.list(native).await?;
        plan.get(native).await?;
        for route in [Route::Create, Route::CreateProbed] {
            plan.create(native, route, upstream).await?;
        }
        Ok(plan)
    }

    fn add(&mut self, route: Route, before: &[Step], after: &[Step], places: &Places) -> Result<()> {
        let [before, after] = [before, after].map(own);
        ensure!(!before.is_empty(), "{}: Postern asked its database nothing", route.name());
        let names = |steps: &[&Step], prefix: &str| -> Vec<String> {
            let statements = steps.iter().flat_map(|step| &step.statements);
            statements.map(|statement| format!("{prefix}{}", recorder::name(statement.sql))).collect()
        };
        let all = [names(&before, ""), names(&after, "+ ")].concat();
        self.names.insert(route.name().to_owned(), json!(all));
        let [before, after] =
            [before, after].map(|steps| steps.into_iter().map(|step| places.step(step)).collect());
        let [before, after]: [Vec<Value>; 2] = [before, after];
        self.routes.insert(route.name().to_owned(), json!({"before": before, "after": after}));
        Ok(())
    }

    async fn get(&mut self, native: &Native) -> Result<()> {
        let id = seed::id(7);
        let path = format!("{}/{id}", route::LIST);
        let (_, before, after) =
            native.recorded(native.admin(Method::GET, &path, None, StatusCode::OK)).await?;
        self.add(
            Route::Get,
            &before,
            &after,
            &Places { texts: vec![(id, "id".to_owned())], created_at: None },
        )
    }

    async fn list(&mut self, native: &Native) -> Result<()> {
        let read = |path: String| async move { native.admin(Method::GET, &path, None, StatusCode::OK).await };
        let (page, first, after) = native.recorded(read(route::LIST.to_owned())).await?;
        self.add(Route::ListFirst, &first, &after, &Places::default())?;
        let cursor = page.get("nextCursor").and_then(Value::as_str).context("no cursor")?;
        let last = page.pointer(&format!("/items/{}/id", route::PAGE - 1)).and_then(Value::as_str);
        let anchor = native.row("integrations", &format!("id = '{}'", last.context("a short page")?)).await?;
        let (_, second, after) = native.recorded(read(format!("{}?cursor={cursor}", route::LIST))).await?;
        self.add(Route::ListMiddle, &second, &after, &Places::default())?;
        // Where the two pages differ, the second one names the last integration of the first.
        let places = differences(&own(&first), &own(&second), &anchor);
        let steps = self.routes.get_mut(Route::ListMiddle.name()).context("not recorded")?;
        for (step, statement, index, column, text) in places {
            let place = format!("after_{column}");
            let parameter = steps
                .pointer_mut(&format!("/before/{step}/statements/{statement}/params/{index}"))
                .context("no such parameter")?;
            *parameter =
                if text { json!({"fill": format!("{{{{{place}}}}}")}) } else { json!({"number": place}) };
            if !self.anchor.contains(&column) {
                self.anchor.push(column);
            }
        }
        ensure!(!self.anchor.is_empty(), "the pages of a list do not differ in their parameters");
        Ok(())
    }

    async fn create(&mut self, native: &Native, route: Route, upstream: &str) -> Result<()> {
        let name = format!("Recorded {}", route.name().replace('_', " "));
        let slug = name.to_lowercase().replace(' ', "-");
        let (id, before, after) = native.recorded(native.create(route::body(route, &name, upstream))).await?;
        let row = native.row("integrations", &format!("id = '{id}'")).await?;
        let value = |wanted: &str| row.iter().find(|(column, _)| column == wanted).map(|(_, value)| value);
        ensure!(
            value("slug") == Some(&slug.as_str().into()),
            "another slug than {slug}: {:?}",
            value("slug")
        );
        let valid = value("validation_status") == Some(&"valid".into());
        ensure!(valid, "the recorded integration is not valid: {:?}", value("validation_message"));
        let Some(ports::Value::Integer(created_at)) = value("created_at") else {
            anyhow::bail!("created_at is no number");
        };
        let mut texts =
            vec![(id.clone(), "id".to_owned()), (name, "name".to_owned()), (slug, "slug".to_owned())];
        let tools =
            native.texts(format!("SELECT id FROM catalogue_entries WHERE integration_id = '{id}'")).await?;
        texts.extend(tools.into_iter().enumerate().map(|(number, id)| (id, format!("tool{number}"))));
        self.add(route, &before, &after, &Places { texts, created_at: Some(*created_at) })
    }
}

/// The steps that are a route's own.
fn own(steps: &[Step]) -> Vec<&Step> {
    let foreign = |step: &&Step| {
        step.statements.iter().all(|statement| {
            NOT_THE_ROUTE.iter().any(|prefix| recorder::name(statement.sql).starts_with(prefix))
        })
    };
    steps.iter().filter(|step| !foreign(step)).collect()
}

/// Step, statement and parameter, the anchor's column that the parameter holds, and whether that is text.
type Difference = (usize, usize, usize, String, bool);

fn differences(first: &[&Step], second: &[&Step], anchor: &Record) -> Vec<Difference> {
    let mut found = Vec::new();
    for (number, (first, second)) in first.iter().zip(second).enumerate() {
        for (statement, (first, second)) in first.statements.iter().zip(&second.statements).enumerate() {
            for (index, (first, second)) in first.params.iter().zip(&second.params).enumerate() {
                if first == second {
                    continue;
                }
                let column = anchor.iter().find(|(_, value)| value == second);
                if let Some((column, value)) = column {
                    let text = matches!(value, ports::Value::Text(_));
                    found.push((number, statement, index, column.clone(), text));
                }
            }
        }
    }
    found
}

impl Places {
    fn step(&self, step: &Step) -> Value {
        let kind = match step.kind {
            Kind::Query => "query",
            Kind::Execute => "execute",
            Kind::Batch => "batch",
        };
        let statements: Vec<_> = step
            .statements
            .iter()
            .map(|statement| {
                let params: Vec<_> = statement.params.iter().map(|value| self.parameter(value)).collect();
                json!({"sql": statement.sql, "params": params})
            })
            .collect();
        json!({"kind": kind, "statements": statements})
    }

    fn parameter(&self, value: &ports::Value) -> Value {
        match value {
            ports::Value::Null => Value::Null,
            ports::Value::Real(number) => json!(number),
            ports::Value::Blob(bytes) => json!(bytes),
            ports::Value::Integer(number) => match self.created_at {
                Some(moment) if (number - moment).abs() < A_DAY => json!({"now": number - moment}),
                _ => json!(number),
            },
            ports::Value::Text(text) => {
                let filled = self.texts.iter().fold(text.clone(), |text, (known, place)| {
                    text.replace(known.as_str(), &format!("{{{{{place}}}}}"))
                });
                if filled == *text { json!(text) } else { json!({"fill": filled}) }
            }
        }
    }
}
