//! A database of a role, made by its migrations; and what every test asks it.

use std::collections::BTreeMap;

use clickhouse::{Client, Compression, RowOwned, RowRead, RowWrite};
use clickhouse_dev::ClickHouse;
use schema::{
    APPLIED_MIGRATIONS, CREATE_MIGRATIONS_TABLE, Role, due, migrations,
    rows::{AppliedMigration, Table, UnixMillis},
};

/// Dropped last: the engine behind the client.
pub(crate) struct Database {
    pub(crate) client: Client,
    name: String,
    _engine: ClickHouse,
}

impl Database {
    /// Empty, but for the role's tables.
    pub(crate) async fn new(role: Role) -> Self {
        let database = Self::without_tables().await;
        database.migrate(role).await;
        database
    }

    async fn without_tables() -> Self {
        let url = std::env::var_os("CLICKHOUSE_URL").and_then(|url| url.into_string().ok());
        let engine = ClickHouse::for_tests(url.as_deref()).expect("an engine");
        let name = format!("schema_{}", uuid::Uuid::new_v4().simple());
        let client = Client::default()
            .with_url(engine.url())
            .with_compression(Compression::Lz4)
            .with_setting("async_insert", "0");
        run(&client, &format!("CREATE DATABASE {name}")).await;
        Self { client: client.with_database(&name), name, _engine: engine }
    }

    /// What a program does when it starts; how many migrations it ran.
    pub(crate) async fn migrate(&self, role: Role) -> usize {
        run(&self.client, CREATE_MIGRATIONS_TABLE).await;
        let applied: Vec<(u32, String)> =
            self.client.query(APPLIED_MIGRATIONS).fetch_all().await.expect("applied");
        let due = due(role, &BTreeMap::from_iter(applied)).expect("ours");
        for migration in &due {
            for statement in &migration.statements {
                run(&self.client, statement).await;
            }
            self.insert(&[AppliedMigration {
                number: migration.number,
                name: migration.name.to_owned(),
                checksum: migration.checksum.clone(),
                applied_at: UnixMillis(1_790_000_000_000),
            }])
            .await;
        }
        due.len()
    }

    pub(crate) async fn insert<R>(&self, rows: &[R])
    where
        R: Table + RowOwned + RowWrite,
    {
        insert_into(&self.client, R::TABLE, rows).await;
    }

    /// As stored, in no order; with FINAL, so that equal keys are one.
    pub(crate) async fn all<R>(&self) -> Vec<R>
    where
        R: Table + RowOwned + RowRead,
    {
        let query = format!("SELECT ?fields FROM {} FINAL", R::TABLE);
        self.client.query(&query).fetch_all().await.unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) async fn number(&self, query: &str) -> u64 {
        self.client.query(query).fetch_one().await.unwrap_or_else(|e| panic!("{query}: {e}"))
    }

    /// One line a table: its name, columns with types and comments, engine and keys.
    async fn described(&self) -> Vec<String> {
        let query = "SELECT create_table_query FROM system.tables WHERE database = ? ORDER BY name";
        self.client.query(query).bind(&self.name).fetch_all().await.expect("described")
    }
}

pub(crate) async fn run(client: &Client, statement: &str) {
    client.query(statement).execute().await.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

pub(crate) async fn insert_into<R: RowOwned + RowWrite>(client: &Client, table: &str, rows: &[R]) {
    let mut insert = client.insert::<R>(table).await.unwrap_or_else(|e| panic!("{table}: {e}"));
    for row in rows {
        insert.write(row).await.unwrap_or_else(|error| panic!("{table}: {error}"));
    }
    insert.end().await.unwrap_or_else(|error| panic!("{table}: {error}"));
}

#[tokio::test]
async fn every_migration_applies_once_and_its_statements_run_twice_without_change() {
    for role in [Role::Canonical, Role::Gatherer] {
        let database = Database::without_tables().await;
        assert_eq!(database.migrate(role).await, migrations(role).len());
        let made = database.described().await;
        assert_eq!(database.migrate(role).await, 0, "{role}: nothing is due a second time");
        for statement in migrations(role).iter().flat_map(|migration| &migration.statements) {
            run(&database.client, statement).await;
        }
        assert_eq!(database.described().await, made, "{role}");
    }
}

#[tokio::test]
async fn every_column_and_table_says_what_it_holds() {
    for role in [Role::Canonical, Role::Gatherer] {
        let database = Database::new(role).await;
        let silent = "SELECT count() FROM system.columns \
             WHERE database = currentDatabase() AND comment = '' AND table != 'latest_book'";
        assert_eq!(database.number(silent).await, 0, "{role}");
        let silent = "SELECT count() FROM system.tables \
             WHERE database = currentDatabase() AND comment = ''";
        assert_eq!(database.number(silent).await, 0, "{role}");
        let columns = "SELECT count() FROM system.columns WHERE database = currentDatabase()";
        assert!(database.number(columns).await > 60, "{role}: the check above saw our tables");
    }
}
