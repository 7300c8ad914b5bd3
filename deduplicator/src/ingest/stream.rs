//! One stream from its dial to its end, within its three limits: first item, silence, life.

use anyhow::{Context as _, anyhow, ensure};
use proto::limits::{ACK_EVERY_MAX, FIRST_ITEM_MAX, LIFE_MAX, SILENCE_MAX};
use proto::{FollowReply, Hello, rpc};
use tokio::time::{Instant, interval, sleep, timeout};
use tonic::Streaming;

use super::outbound::Outbound;
use super::{Event, Ingest};
use crate::telemetry;

/// How a stream ended.
pub(super) struct Ended {
    pub(super) connected: bool,
    pub(super) records: u64,
    pub(super) why: String,
}

impl Ingest {
    /// Dials and follows until the stream ends for whatever reason.
    pub(super) async fn stream(&mut self) -> Ended {
        let mut ended = Ended { connected: false, records: 0, why: String::new() };
        ended.why = match self.follow(&mut ended).await {
            Ok(why) => why.to_owned(),
            Err(error) => format!("{error:#}"),
        };
        ended
    }

    async fn follow(&mut self, ended: &mut Ended) -> anyhow::Result<&'static str> {
        let dial = async {
            let channel =
                rpc::endpoint(self.address.url.clone(), self.tls.as_ref())?.connect().await?;
            let (outbound, requests) = Outbound::start(&self.ours, self.from);
            let replies = rpc::client(channel).follow(requests).await?.into_inner();
            anyhow::Ok((outbound, replies))
        };
        let (outbound, mut replies) =
            timeout(FIRST_ITEM_MAX, dial).await.context("no answer in time")??;
        let first =
            timeout(FIRST_ITEM_MAX, next(&mut replies)).await.context("no hello in time")??;
        let Some(FollowReply::Hello(hello)) = first else {
            return Err(anyhow!("the first message is no hello"));
        };
        self.check(&hello)?;
        self.from = Some(hello.from);
        let (gatherer, from, written) = (self.index, hello.from, hello.written);
        if self.events.send(Event::Connected { gatherer, from, written }).await.is_err() {
            return Ok("the pipeline ended");
        }
        ended.connected = true;
        self.pump(&mut replies, outbound, ended).await
    }

    fn check(&self, hello: &Hello) -> anyhow::Result<()> {
        ensure!(
            hello.gatherer_id == self.address.name,
            "{} answers as {:?}, GATHERERS calls it {:?}",
            self.address.url,
            hello.gatherer_id,
            self.address.name
        );
        telemetry::stream_began(&self.address.name, &hello.version, hello.from);
        self.note(true, &hello.version);
        if let Some(wanted) = self.from.filter(|wanted| *wanted != hello.from) {
            // A later one: it has trimmed what we lack. An earlier one: its disk was replaced.
            telemetry::resumed_elsewhere(&self.address.name, wanted, hello.from);
        }
        Ok(())
    }

    async fn pump(
        &mut self,
        replies: &mut Streaming<rpc::WireReply>,
        mut outbound: Outbound,
        ended: &mut Ended,
    ) -> anyhow::Result<&'static str> {
        let (silence, life) = (sleep(SILENCE_MAX), sleep(LIFE_MAX));
        tokio::pin!(silence, life);
        let mut again = interval(ACK_EVERY_MAX);
        self.acks.mark_changed();
        loop {
            tokio::select! {
                reply = next(replies) => {
                    let Some(reply) = reply? else { return Ok("the gatherer ended the stream") };
                    if !self.hand_over(reply, ended).await? {
                        return Ok("the pipeline ended");
                    }
                    silence.as_mut().reset(Instant::now() + SILENCE_MAX);
                }
                changed = self.acks.changed() => {
                    changed.context("the pipeline ended")?;
                    let ack = *self.acks.borrow_and_update();
                    outbound.ack(ack).await?;
                }
                Some(refresh) = self.refreshes.recv() => {
                    outbound.refresh(refresh, &mut self.refreshes).await?;
                }
                _ = again.tick() => outbound.ack_again().await?,
                () = &mut silence => return Err(anyhow!("it fell silent")),
                () = &mut life => return Ok("the stream has lived its time"),
            }
        }
    }

    /// `false`: nobody takes it any more.
    async fn hand_over(&mut self, reply: FollowReply, ended: &mut Ended) -> anyhow::Result<bool> {
        let gatherer = self.index;
        let event = match reply {
            FollowReply::Batch(batch) => {
                let expected = self.from.unwrap_or_default();
                ensure!(
                    batch.first >= expected,
                    "a batch begins at {}, before {expected}, which was sent already",
                    batch.first
                );
                self.from = Some(batch.next);
                ended.records += u64::from(batch.count);
                Event::Batch { gatherer, batch }
            }
            FollowReply::Heartbeat(heartbeat) => Event::Heartbeat { gatherer, heartbeat },
            FollowReply::Hello(_) => return Err(anyhow!("a second hello")),
        };
        Ok(self.events.send(event).await.is_ok())
    }
}

/// The next reply, checked.
async fn next(replies: &mut Streaming<rpc::WireReply>) -> anyhow::Result<Option<FollowReply>> {
    match replies.message().await? {
        Some(reply) => Ok(Some(reply.try_into()?)),
        None => Ok(None),
    }
}
