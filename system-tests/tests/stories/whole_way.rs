//! Nothing goes wrong: everything the exchange did is stored once, in ClickHouse and in Parquet.

use demo::verify::Holes;
use system_tests::Story;

use crate::{PROGRAMS, market};

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_stored_once_in_both_stores() -> anyhow::Result<()> {
    let mut story = Story::begin(PROGRAMS, market(11)).await?;
    story.events(8_000).await?;
    for who in 0..3 {
        assert!(story.figure(who, "frames").await? > 0, "gatherer {who} brings nothing");
    }
    let report = story.end(Holes::None).await?;
    for table in ["deltas", "snapshots", "trades", "tickers"] {
        let [stored, archived] =
            ["ClickHouse", "Parquet"].map(|store| report.counted(&format!("{store} {table}")));
        assert!(stored > 0, "no {table} at all\n{report}");
        assert_eq!(stored, archived, "{table}\n{report}");
    }
    assert!(report.counted("ClickHouse deltas") >= 7_000, "{report}");
    assert_eq!(report.counted("ClickHouse holes"), 0, "{report}");
    Ok(())
}
