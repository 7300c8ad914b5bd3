//! The fault matrix, in its short form. `FAULT_SEED` sets the seed. Seven cases run always; `.ci/faults` runs
//! all of them, `cargo faults --long` every place and file of each.

use system_tests::matrix::Ground;

use crate::PROGRAMS;

fn seed() -> u64 {
    let told = std::env::var_os("FAULT_SEED").and_then(|seed| seed.to_str()?.parse().ok());
    told.unwrap_or(3)
}

async fn case(name: &str) -> anyhow::Result<()> {
    Ground::new(PROGRAMS, seed(), false).run(name).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gatherer_may_die_between_any_two_steps() -> anyhow::Result<()> {
    case("gatherer-places").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deduplicator_may_die_between_any_two_steps() -> anyhow::Result<()> {
    case("deduplicator-places").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/faults"]
async fn any_clickhouse_may_die_in_the_middle_of_inserts() -> anyhow::Result<()> {
    case("engines").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/faults"]
async fn streams_may_be_slow_silent_and_gone() -> anyhow::Result<()> {
    case("partition").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_confirmation_stores_nothing_twice() -> anyhow::Result<()> {
    case("stores").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/faults"]
async fn rows_that_are_refused_are_not_dropped() -> anyhow::Result<()> {
    case("refusals").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_waited_out() -> anyhow::Result<()> {
    case("disk-full").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_fsync_stops_for_good() -> anyhow::Result<()> {
    case("sync-fails").await
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_named_and_never_guessed_at() -> anyhow::Result<()> {
    case("damage").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/faults"]
async fn a_lost_disk_of_the_deduplicator_loses_nothing() -> anyhow::Result<()> {
    case("lost-disk").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/faults"]
async fn a_changed_schema_is_counted_and_kept_raw() -> anyhow::Result<()> {
    case("schema").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/faults"]
async fn a_liar_is_outvoted_and_named() -> anyhow::Result<()> {
    case("rumours").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_of_two_is_found_out_by_the_exchanges_own_book() -> anyhow::Result<()> {
    case("two-lanes").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/faults"]
async fn old_sessions_told_again_change_nothing() -> anyhow::Result<()> {
    case("restored").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/faults"]
async fn a_clock_that_steps_loses_nothing() -> anyhow::Result<()> {
    case("clocks").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by .ci/faults"]
async fn a_socket_may_be_silent_slow_and_flapping() -> anyhow::Result<()> {
    case("sockets").await
}
