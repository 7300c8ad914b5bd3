//! The REST rate limit: a token bucket per client address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use axum::{
    Json,
    extract::{ConnectInfo, Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{clock, listener::Caller, server::App};

/// Addresses remembered; more than these share nothing worth keeping.
const ADDRESSES_MAX: usize = 1024;

pub(crate) struct Buckets {
    per_sec: f64,
    left: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

impl Buckets {
    /// Without a rate everything is allowed.
    pub(crate) fn new(per_sec: f64) -> Self {
        Self { per_sec, left: Mutex::new(HashMap::new()) }
    }

    /// A bucket holds one second of requests, and at least one.
    fn spend(&self, who: IpAddr, now: Instant) -> bool {
        if self.per_sec <= 0.0 {
            return true;
        }
        let full = self.per_sec.max(1.0);
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() > ADDRESSES_MAX {
            left.clear();
        }
        let (tokens, since) = left.entry(who).or_insert((full, now));
        let refill = now.saturating_duration_since(*since).as_secs_f64() * self.per_sec;
        (*tokens, *since) = ((*tokens + refill).min(full), now);
        let allowed = *tokens >= 1.0;
        if allowed {
            *tokens -= 1.0;
        }
        allowed
    }
}

pub(crate) async fn limit(
    State(app): State<App>,
    ConnectInfo(from): ConnectInfo<Caller>,
    request: Request,
    next: Next,
) -> Response {
    let spent = app.buckets.spend(from.0.ip(), clock::now().at);
    let (allowed, forbidden) = {
        let mut hub = app.hub.lock();
        let allowed = spent && hub.limiting.is_none();
        hub.totals.rest_requests += 1;
        hub.totals.rest_limited += u64::from(!allowed);
        (allowed, hub.forbidding.is_some())
    };
    if forbidden {
        let body = json!({"error": {"code": "authentication_error",
            "message": "authentication_error", "details": "NOT_FOUND"}});
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    if allowed {
        return next.run(request).await;
    }
    (StatusCode::TOO_MANY_REQUESTS, Json(json!({"error": "too many requests"}))).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_empties_and_refills() {
        let (buckets, now) = (Buckets::new(2.0), clock::now().at);
        let who = IpAddr::from([127, 0, 0, 1]);
        let spent: Vec<bool> = (0..3).map(|_| buckets.spend(who, now)).collect();
        assert_eq!(spent, [true, true, false]);
        assert!(buckets.spend(who, now + Duration::from_millis(600)));
        assert!(!buckets.spend(who, now + Duration::from_millis(600)));
    }
}
