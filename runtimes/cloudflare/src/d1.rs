//! The SQL port over D1.
//!
//! Values travel as JavaScript values: numbers are doubles (exact up to 2^53), a BLOB is written as bytes and read as
//! an array of numbers. D1 runs a `batch` as one transaction. D1 reports an error as text only, which
//! `SqlError::classify` reads.

use async_trait::async_trait;
use js_sys::{Array, ArrayBuffer, Object, Reflect, Uint8Array};
use kernel::ports::{Row, Sql, SqlError, Statement, Value};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::{D1Database, D1PreparedStatement, Env};

/// Name of the binding in `wrangler.toml`.
const BINDING: &str = "DB";
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

pub(crate) struct D1(Env);

impl D1 {
    pub(crate) fn new(env: Env) -> Self {
        Self(env)
    }

    fn database(&self) -> Result<D1Database, SqlError> {
        self.0
            .d1(BINDING)
            .map_err(|error| SqlError::Other(format!("the D1 binding {BINDING} is missing: {error}")))
    }
}

#[async_trait(?Send)]
impl Sql for D1 {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, SqlError> {
        let prepared = prepare(&self.database()?, &statement)?;
        let rows = JsFuture::from(prepared.inner().raw().map_err(failed)?).await.map_err(failed)?;
        Ok(Array::from(&rows).iter().map(|row| to_row(&Array::from(&row))).collect())
    }

    async fn execute(&self, statement: Statement) -> Result<(), SqlError> {
        let prepared = prepare(&self.database()?, &statement)?;
        JsFuture::from(prepared.inner().run().map_err(failed)?).await.map_err(failed)?;
        Ok(())
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, SqlError> {
        let database = self.database()?;
        let prepared: Array = statements
            .iter()
            .map(|statement| prepare(&database, statement).map(|prepared| JsValue::from(prepared.inner())))
            .collect::<Result<_, _>>()?;
        let batch = Reflect::get(database.as_ref(), &"batch".into()).map_err(failed)?;
        let batch: js_sys::Function = batch.dyn_into().map_err(failed)?;
        let promise = batch.call1(database.as_ref(), &prepared).map_err(failed)?;
        let results = JsFuture::from(js_sys::Promise::resolve(&promise)).await.map_err(failed)?;
        Ok(Array::from(&results).iter().map(|result| rows(&result)).collect())
    }
}

fn prepare(database: &D1Database, statement: &Statement) -> Result<D1PreparedStatement, SqlError> {
    let params: Vec<JsValue> = statement.params.iter().map(to_js).collect();
    database.prepare(statement.sql).bind(&params).map_err(|error| SqlError::classify(&error.to_string()))
}

#[allow(clippy::cast_precision_loss)] // the port's integers stay within 2^53
fn to_js(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        Value::Integer(number) => JsValue::from_f64(*number as f64),
        Value::Real(number) => JsValue::from_f64(*number),
        Value::Text(text) => JsValue::from_str(text),
        Value::Blob(bytes) => Uint8Array::from(bytes.as_slice()).into(),
    }
}

fn to_row(columns: &Array) -> Row {
    Row(columns.iter().map(|column| to_value(&column)).collect())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole numbers within 2^53, and bytes
fn to_value(value: &JsValue) -> Value {
    if let Some(number) = value.as_f64() {
        return if number.fract() == 0.0 && number.abs() <= LARGEST_EXACT {
            Value::Integer(number as i64)
        } else {
            Value::Real(number)
        };
    }
    if let Some(text) = value.as_string() {
        return Value::Text(text);
    }
    if value.is_instance_of::<ArrayBuffer>() || value.is_instance_of::<Uint8Array>() {
        return Value::Blob(Uint8Array::new(value).to_vec());
    }
    if let Some(array) = value.dyn_ref::<Array>() {
        return Value::Blob(array.iter().map(|byte| byte.as_f64().unwrap_or_default() as u8).collect());
    }
    Value::Null
}

/// Returns the rows of one result of a `batch`. D1 gives such a row as an object, with the values in the order of the
/// columns; the columns of a statement therefore need different names.
fn rows(result: &JsValue) -> Vec<Row> {
    let rows = Reflect::get(result, &"results".into()).unwrap_or(JsValue::NULL);
    let rows = rows.dyn_ref::<Array>().map(|rows| {
        rows.iter()
            .filter_map(|row| row.dyn_into::<Object>().ok())
            .map(|row| to_row(&Object::values(&row)))
            .collect()
    });
    rows.unwrap_or_default()
}

#[allow(clippy::needless_pass_by_value)] // `map_err` passes the error by value
fn failed(error: JsValue) -> SqlError {
    let text = match error.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => format!("{error:?}"),
    };
    SqlError::classify(&text)
}
