//! What is published of a day is always the whole day.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::world::{World, list};

/// Every file of the folder, by its name.
fn files(world: &World) -> BTreeMap<String, String> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(entry.path()).unwrap())
    };
    std::fs::read_dir(world.path("out")).unwrap().map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_day_stays_whole_whatever_is_asked_for() {
    let world = World::open().await;
    world.gap("A", "2026-08-07 12:00:00", 5).await;
    world.gap("B", "2026-08-07 13:00:00", 5).await;
    // Over midnight: it belongs to the day in which it begins.
    world.gap("A", "2026-08-07 23:59:58", 60).await;
    world.gap("A", "2026-08-08 12:00:00", 5).await;
    let out = world.path("out").display().to_string();
    world.recovery(&["report", "--out", &out], 0).await;
    let whole = files(&world);
    assert_eq!(whole.len(), 4, "{whole:?}");
    for asked in [
        &["--since", "2026-08-07T12:30:00Z"][..],
        &["--since", "2026-08-08"],
        &["--until", "2026-08-07T12:30:00Z"],
        &["B"],
    ] {
        let typed = [&["report", "--out", &out], asked].concat();
        assert!(!list(&world.recovery(&typed, 0).await).is_empty(), "{asked:?}");
        assert_eq!(files(&world), whole, "{asked:?}");
        // What is printed is what was asked for.
        let printed = world.recovery(&[&["report"], asked].concat(), 0).await;
        let holes: u64 = list(&printed).iter().filter_map(|day| day["holes"].as_u64()).sum();
        assert!((1..4).contains(&holes), "{asked:?}: {printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_back_is_no_incident_any_more() {
    let world = World::open().await;
    world.gap("A", "2026-08-07 12:00:00", 5).await;
    let out = world.path("out").display().to_string();
    world.recovery(&["report", "--out", &out], 0).await;
    let holes = |name: &str| {
        let day: Value = serde_json::from_str(&files(&world)[name]).unwrap();
        day["holes"].as_u64()
    };
    assert_eq!(holes("2026-08-07.json"), Some(1));
    world
        .run(
            "INSERT INTO gaps SELECT * REPLACE (from_ts AS to_ts, from_clock AS to_clock, \
              'covered_again' AS cause, version + 1 AS version) FROM gaps FINAL",
        )
        .await;
    // Even if nobody asks for so old a day; one that was never published is not begun.
    world.gap("B", "2026-08-10 12:00:00", 5).await;
    world.recovery(&["report", "--since", "2026-08-09", "--out", &out], 0).await;
    assert_eq!((holes("2026-08-07.json"), holes("2026-08-10.json")), (Some(0), Some(1)));
    assert_eq!(list(&world.recovery(&["report"], 0).await).len(), 1);
}
