//! Checks of the SQL port, in tables of their own.

use kernel::ports::Ports;
use kernel::ports::{Row, SqlError, Statement, Value};

use super::{Outcome, Suite, same, text};

const LARGEST: i64 = 9_007_199_254_740_992;

pub(super) async fn run(platform: &Ports, suite: &mut Suite) {
    suite.check("sql: tables can be made", setup(platform)).await;
    suite.check("sql: every kind of value is returned unchanged", values(platform)).await;
    suite.check("sql: integers are exact up to 2^53", integers(platform)).await;
    suite.check("sql: more than 100 items travel as one JSON parameter", list(platform)).await;
    suite.check("sql: RETURNING has a row for each written row and no other", returning(platform)).await;
    suite.check("sql: a batch returns the rows of its statements in order", in_order(platform)).await;
    suite.check("sql: a failing batch writes nothing", rollback(platform)).await;
    suite.check("sql: a broken constraint is reported with kind and column", constraints(platform)).await;
    suite.check("sql: a parameter may be used twice", reuse(platform)).await;
    suite.check("sql: a condition inside a statement decides whether it writes", conditional(platform)).await;
}

async fn setup(platform: &Ports) -> Outcome {
    let batch = [
        "DROP TABLE IF EXISTS port_child",
        "DROP TABLE IF EXISTS port_value",
        "CREATE TABLE port_value (id INTEGER PRIMARY KEY, t TEXT UNIQUE, r REAL, b BLOB, n INTEGER CHECK (n <> 13)) STRICT",
        "CREATE TABLE port_child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES port_value (id)) STRICT",
    ];
    platform.sql.batch(batch.map(Statement::new).to_vec()).await.map(|_| ()).map_err(text)
}

async fn query(platform: &Ports, statement: Statement) -> Result<Vec<Row>, String> {
    platform.sql.query(statement).await.map_err(text)
}

async fn count(platform: &Ports) -> Result<Vec<Row>, String> {
    query(platform, Statement::new("SELECT count(*) AS n FROM port_value")).await
}

async fn values(platform: &Ports) -> Outcome {
    let blob = Value::Blob((0..=255).collect());
    let insert = Statement::new("INSERT INTO port_value (id, t, r, b, n) VALUES (?1, ?2, ?3, ?4, ?5)")
        .bind(1)
        .bind("naïve '\"\u{1F980}\u{0}\n")
        .bind(Value::Real(1.5))
        .bind(blob.clone())
        .bind(Value::Null);
    platform.sql.execute(insert).await.map_err(text)?;
    let rows = query(platform, Statement::new("SELECT id, t, r, b, n FROM port_value WHERE id = 1")).await?;
    let expected = Row(vec![
        Value::Integer(1),
        Value::from("naïve '\"\u{1F980}\u{0}\n"),
        Value::Real(1.5),
        blob,
        Value::Null,
    ]);
    same(rows, vec![expected])
}

async fn integers(platform: &Ports) -> Outcome {
    for number in [LARGEST, -LARGEST, LARGEST - 1, 0, i64::from(i32::MAX) + 1] {
        let insert = Statement::new(
            "INSERT INTO port_value (id, n) VALUES (2, ?1) ON CONFLICT (id) DO UPDATE SET n = excluded.n",
        );
        platform.sql.execute(insert.bind(number)).await.map_err(text)?;
        let select = Statement::new("SELECT n, typeof(n) AS kind FROM port_value WHERE id = 2 AND n = ?1")
            .bind(number);
        same(
            query(platform, select).await?,
            vec![Row(vec![Value::Integer(number), Value::from("integer")])],
        )?;
    }
    Ok(())
}

async fn list(platform: &Ports) -> Outcome {
    let ids: Vec<i64> = (1000..1500).collect();
    let ids = serde_json::to_string(&ids).map_err(text)?;
    let insert =
        Statement::new("INSERT INTO port_value (id, t) SELECT value, 'item ' || value FROM json_each(?1)");
    platform.sql.execute(insert.bind(ids.as_str())).await.map_err(text)?;
    let select =
        Statement::new("SELECT count(*) AS n FROM port_value WHERE id IN (SELECT value FROM json_each(?1))");
    same(query(platform, select.bind(ids)).await?, vec![Row(vec![Value::Integer(500)])])
}

/// Checks every kind of write, in a query and in a batch.
async fn returning(platform: &Ports) -> Outcome {
    let update = |id| Statement::new("UPDATE port_value SET n = 1 WHERE id = ?1 RETURNING id").bind(id);
    let insert = |id| {
        let sql =
            "INSERT INTO port_value (id) SELECT ?1 WHERE ?1 > 0 ON CONFLICT (id) DO NOTHING RETURNING id";
        Statement::new(sql).bind(id)
    };
    let put = |id| {
        let sql = "INSERT INTO port_value (id) SELECT ?1 WHERE ?1 > 0 ON CONFLICT (id) DO UPDATE SET n = 2 RETURNING id";
        Statement::new(sql).bind(id)
    };
    let delete = |id| Statement::new("DELETE FROM port_value WHERE id = ?1 RETURNING id").bind(id);
    let (new, none) = (2000, -1);
    let row = |id| vec![Row(vec![Value::Integer(id)])];
    let writes = || {
        [
            (update(1000), row(1000)),
            (update(none), vec![]),
            (insert(new), row(new)),
            (insert(new), vec![]),
            (insert(none), vec![]),
            (put(new), row(new)),
            (put(none), vec![]),
            (delete(new), row(new)),
            (delete(new), vec![]),
        ]
    };
    for (statement, expected) in writes() {
        same(query(platform, statement).await?, expected)?;
    }
    let (batch, expected): (Vec<_>, Vec<_>) = writes().into_iter().unzip();
    same(platform.sql.batch(batch).await.map_err(text)?, expected)
}

async fn in_order(platform: &Ports) -> Outcome {
    let batch = vec![
        Statement::new("INSERT INTO port_value (id, t) VALUES (3, 'three') RETURNING t, id"),
        Statement::new("SELECT id FROM port_value WHERE id = 3"),
        Statement::new("DELETE FROM port_value WHERE id = 3"),
    ];
    let rows = platform.sql.batch(batch).await.map_err(text)?;
    let three = Row(vec![Value::from("three"), Value::Integer(3)]);
    same(rows, vec![vec![three], vec![Row(vec![Value::Integer(3)])], vec![]])
}

async fn rollback(platform: &Ports) -> Outcome {
    let before = count(platform).await?;
    let batch = vec![
        Statement::new("INSERT INTO port_value (id) VALUES (4)"),
        Statement::new("UPDATE port_value SET n = 99 WHERE id = 1000"),
        Statement::new("INSERT INTO port_value (id, n) VALUES (5, 13)"),
        Statement::new("INSERT INTO port_value (id) VALUES (6)"),
    ];
    if platform.sql.batch(batch).await.is_ok() {
        return Err("the batch succeeded".to_owned());
    }
    same(count(platform).await?, before)?;
    let untouched = Statement::new("SELECT count(*) AS n FROM port_value WHERE n = 99");
    same(query(platform, untouched).await?, vec![Row(vec![Value::Integer(0)])])
}

async fn constraints(platform: &Ports) -> Outcome {
    let insert = |sql| platform.sql.execute(Statement::new(sql));
    insert("INSERT INTO port_value (id, t) VALUES (7, 'unique')").await.map_err(text)?;
    let unique = insert("INSERT INTO port_value (id, t) VALUES (8, 'unique')").await;
    same(unique, Err(SqlError::Unique("port_value.t".to_owned())))?;
    let in_batch =
        platform.sql.batch(vec![Statement::new("INSERT INTO port_value (id, t) VALUES (8, 'unique')")]).await;
    same(in_batch.err(), Some(SqlError::Unique("port_value.t".to_owned())))?;
    let queried = platform
        .sql
        .query(Statement::new("INSERT INTO port_value (id, t) VALUES (8, 'unique') RETURNING id"))
        .await;
    same(queried.err(), Some(SqlError::Unique("port_value.t".to_owned())))?;
    for sql in [
        "INSERT INTO port_value (id, n) VALUES (9, 13)",
        "INSERT INTO port_child (id, parent) VALUES (1, 123456)",
        "INSERT INTO port_child (id, parent) VALUES (1, NULL)",
    ] {
        match insert(sql).await {
            Err(SqlError::Constraint(_)) => {}
            other => return Err(format!("{sql}: {other:?}")),
        }
    }
    match insert("SELEC 1").await {
        Err(SqlError::Other(_)) => Ok(()),
        other => Err(format!("a syntax error gave {other:?}")),
    }
}

async fn reuse(platform: &Ports) -> Outcome {
    let select = Statement::new("SELECT ?1 AS a, ?2 AS b, ?1 AS c").bind("x").bind(2);
    same(
        query(platform, select).await?,
        vec![Row(vec![Value::from("x"), Value::Integer(2), Value::from("x")])],
    )
}

async fn conditional(platform: &Ports) -> Outcome {
    let take = || Statement::new("DELETE FROM port_value WHERE id = 7 RETURNING t");
    same(query(platform, take()).await?.len(), 1)?;
    same(query(platform, take()).await?.len(), 0)?;
    let first = Statement::new(
        "INSERT INTO port_value (id) SELECT 10 WHERE NOT EXISTS (SELECT 1 FROM port_value) RETURNING id",
    );
    same(query(platform, first).await?.len(), 0)
}
