//! The network between gatherers and deduplicator: one stream slow, one silent, then all of them gone; what
//! was spooled meanwhile comes at several times live speed, beside what happens now.

use std::time::Duration;

use anyhow::ensure;
use demo::oracle::Report;
use demo::verify::Holes;
use service::clock::Clock;

use super::Ground;
use crate::{Line, Proxies, Story};

pub(super) async fn run(ground: &mut Ground) -> anyhow::Result<Report> {
    let mut proxies = Proxies::default();
    let mut story = ground.story(3, |plan| proxies = Proxies::on_every_wire(plan)).await?;
    story.events(500).await?;
    let one = ["east", "west", "north"][ground.up_to(3) as usize - 1];
    proxies.set(&format!("stream {one}"), Line::Slow(20_000))?;
    story.events(800).await?;
    proxies.set(&format!("stream {one}"), Line::Silent)?;
    // Longer than a stream may be silent: it must be given up and dialled again.
    tokio::time::sleep(ground.lasting(12, 60)).await;
    story.events(200).await?;
    proxies.set("stream ", Line::Silent)?;
    let away = ground.lasting(6, 150);
    tokio::time::sleep(away).await;
    proxies.set("stream ", Line::Cut)?;
    caught_up(&mut story, &proxies, away).await?;
    story.end(Holes::None).await
}

/// Says how fast the backlog came in.
async fn caught_up(story: &mut Story, proxies: &Proxies, away: Duration) -> anyhow::Result<()> {
    let before = story.fleet.deduplicator.health().await?.count("/canonical/events");
    let clock = Clock::start();
    proxies.set("stream ", Line::Good)?;
    story.recovered().await?;
    let took = Duration::from_nanos(clock.mono_ns());
    let events = story.fleet.deduplicator.health().await?.count("/canonical/events") - before;
    let missed_ms = u64::try_from((away + took).as_millis())?;
    let times = missed_ms * 10 / u64::try_from(took.as_millis())?.max(1);
    eprintln!(
        "partition of {away:?}: caught up in {took:.1?} ({events} events), {}.{} times live speed",
        times / 10,
        times % 10
    );
    // A little more than live would never get there; dialling again takes up to five seconds of it.
    ensure!(away < Duration::from_secs(60) || times >= 20, "it catches up too slowly");
    Ok(())
}
