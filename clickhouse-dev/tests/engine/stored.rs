//! What the engine has acknowledged is there, once; what it refuses is told by its code.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::{Event, client, events, in_folder, insert, number, run, start, with_table};
use clickhouse_dev::{ClickHouse, Options};

#[tokio::test]
async fn rows_of_the_official_client_come_back_as_they_went() {
    let engine = start();
    let client = with_table(&engine).await;
    let rows = events(0..5000);
    insert(&client, &rows, "a").await.expect("insert");
    let back = client.query("SELECT ?fields FROM t ORDER BY id").fetch_all::<Event>().await;
    assert_eq!(back.expect("select"), rows);
}

#[tokio::test]
async fn a_batch_sent_again_under_its_token_is_not_stored_again_even_after_a_restart() {
    let folder = tempfile::tempdir().expect("folder");
    for killed in [true, false] {
        let mut engine = ClickHouse::start(in_folder(folder.path())).expect("start");
        let client = with_table(&engine).await;
        insert(&client, &events(0..100), "batch-1").await.expect("insert");
        insert(&client, &events(0..100), "batch-1").await.expect("insert again");
        assert_eq!(number(&client, "SELECT count() FROM t").await, 100);
        if killed {
            engine.kill();
        }
        engine.stop();
    }
    let engine = ClickHouse::start(in_folder(folder.path())).expect("start");
    let client = with_table(&engine).await;
    insert(&client, &events(0..100), "batch-2").await.expect("the same rows, another batch");
    assert_eq!(number(&client, "SELECT count() FROM t").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_during_inserts_keeps_what_was_acknowledged() {
    let mut engine = start();
    for round in 0..5_u64 {
        let client = with_table(&engine).await;
        run(&client, "TRUNCATE TABLE t").await;
        let acknowledged = AtomicU64::new(0);
        let inserting = async {
            for batch in 0.. {
                let rows = events(batch * 50..(batch + 1) * 50);
                if insert(&client, &rows, &format!("{round}-{batch}")).await.is_err() {
                    break;
                }
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        };
        let killing = async {
            while acknowledged.load(Ordering::SeqCst) < 5 + 3 * round {
                tokio::task::yield_now().await;
            }
            tokio::task::block_in_place(|| engine.kill());
        };
        tokio::join!(inserting, killing);
        engine.restart().expect("restart");
        let client = with_table(&engine).await;
        let acknowledged = acknowledged.load(Ordering::SeqCst);
        for batch in 0..acknowledged + 1 {
            // Sending everything again must add at most the one batch whose answer was lost.
            let rows = events(batch * 50..(batch + 1) * 50);
            let before = number(&client, "SELECT count() FROM t").await;
            assert!(before >= acknowledged * 50, "round {round}: an acknowledged batch is lost");
            insert(&client, &rows, &format!("{round}-{batch}")).await.expect("again");
        }
        let count = number(&client, "SELECT count() FROM t").await;
        let distinct = number(&client, "SELECT uniqExact(id) FROM t").await;
        assert_eq!((count, distinct), ((acknowledged + 1) * 50, (acknowledged + 1) * 50));
    }
}

#[tokio::test]
async fn tables_and_the_query_log_outlive_a_kill() {
    let folder = tempfile::tempdir().expect("folder");
    let mut engine = ClickHouse::start(in_folder(folder.path())).expect("start");
    let port = engine.url().to_owned();
    let before = with_table(&engine).await;
    insert(&before, &events(0..10), "a").await.expect("insert");
    run(&before, "SYSTEM FLUSH LOGS").await;
    engine.kill();
    assert_eq!(engine.pid(), 0);
    engine.restart().expect("restart");
    assert_eq!(engine.url(), port, "the same port");
    // The old client still holds a connection to the killed engine.
    let client = client(&engine).with_database("dev");
    assert_eq!(number(&client, "SELECT count() FROM t").await, 10);
    let logged = "SELECT count() FROM system.query_log WHERE query LIKE 'INSERT INTO%'";
    assert!(number(&client, logged).await > 0, "the log is a table on disk");
}

#[tokio::test]
async fn too_many_parts_are_refused_with_252() {
    let engine = start();
    let client = with_table(&engine).await;
    run(
        &client,
        "ALTER TABLE t MODIFY SETTING parts_to_throw_insert = 3, parts_to_delay_insert = 3, \
         max_delay_to_insert = 0",
    )
    .await;
    run(&client, "SYSTEM STOP MERGES t").await;
    let mut refused = None;
    for batch in 0..10_u64 {
        refused = insert(&client, &events(batch..batch + 1), &batch.to_string()).await.err();
        if refused.is_some() {
            break;
        }
    }
    let error = refused.expect("refused within ten parts").to_string();
    assert!(error.contains("Code: 252"), "{error}");
    run(&client, "SYSTEM START MERGES t").await;
}

#[tokio::test]
async fn too_much_memory_is_refused_with_241_and_the_engine_lives_on() {
    let memory_bytes = Some(600 << 20);
    let engine = ClickHouse::start(Options { memory_bytes, ..Options::default() }).expect("start");
    let client = client(&engine);
    let greedy = "SELECT length(groupArray(number)) FROM numbers(500000000)";
    let error = client.query(greedy).fetch_one::<u64>().await.expect_err("too much").to_string();
    assert!(error.contains("Code: 241"), "{error}");
    assert_eq!(number(&client, "SELECT toUInt64(1)").await, 1);
}
