//! Asks the exchange every few seconds whether it trades; a change goes into the spool, in order with the frames.
//!
//! The deduplicator needs it: clocks may fall across a maintenance and never otherwise.

use std::time::Duration;

use exchange::rest::{self as venue, ExchangeStatus, request};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    intake::{Intake, What},
    rest::Rest,
    telemetry,
};

const ASK_EVERY: Duration = Duration::from_secs(3);

/// Asks until told to stop.
///
/// # Errors
/// Never; the type is that of a part.
pub(crate) async fn watch(
    rest: Rest,
    intake: Intake,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut last = None;
    let mut failing = false;
    loop {
        match said(&rest).await {
            Ok(said) => {
                failing = false;
                let active = Some((said.exchange_active, said.trading_active));
                if last != active && !tell(&intake, &said).await {
                    return Ok(());
                }
                last = active;
            }
            Err(error) => {
                // Once, not every three seconds.
                if !std::mem::replace(&mut failing, true) {
                    telemetry::rest_failed("exchange_status", &error);
                }
            }
        }
        if stopping.run_until_cancelled(sleep(ASK_EVERY)).await.is_none() {
            return Ok(());
        }
    }
}

async fn said(rest: &Rest) -> anyhow::Result<ExchangeStatus> {
    // With 500, 503 and 504 as with 200.
    Ok(rest.whatever(&request::exchange_status(), venue::exchange_status).await?)
}

async fn tell(intake: &Intake, said: &ExchangeStatus) -> bool {
    let ExchangeStatus { exchange_active, trading_active, .. } = *said;
    telemetry::exchange_status(exchange_active, trading_active);
    let ticket = intake.ticket();
    intake.keep(ticket, What::Status { exchange_active, trading_active }).await
}
