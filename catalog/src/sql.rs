//! Every statement. `$1` means the first argument on both engines; where they differ, both stand here.

/// A statement and its name in errors.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Statement {
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

impl Statement {
    pub(crate) fn sqlite(self) -> &'static str {
        self.seen("sqlite");
        self.sqlite
    }

    pub(crate) fn postgres(self) -> &'static str {
        self.seen("postgres");
        self.postgres
    }

    /// Its name, for errors.
    pub(crate) fn name(self) -> &'static str {
        self.name
    }

    #[cfg(not(test))]
    fn seen(self, _engine: &'static str) {}

    /// So that the tests can say that they ran everything.
    #[cfg(test)]
    fn seen(self, engine: &'static str) {
        let mut seen = SEEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.insert((engine, self.name));
    }
}

#[cfg(test)]
pub(crate) static SEEN: std::sync::Mutex<std::collections::BTreeSet<(&str, &str)>> =
    std::sync::Mutex::new(std::collections::BTreeSet::new());

macro_rules! statements {
    ($($name:ident = $sqlite:literal $(, postgres $postgres:literal)?;)*) => {
        $(pub(crate) const $name: Statement = Statement {
            name: stringify!($name),
            sqlite: $sqlite,
            postgres: statements!(@ $sqlite $(, $postgres)?),
        };)*
        #[cfg(test)]
        pub(crate) const ALL: &[&str] = &[$(stringify!($name)),*];
    };
    (@ $both:literal) => { $both };
    (@ $sqlite:literal, $postgres:literal) => { $postgres };
}

statements! {
    // Metadata.
    MARKET_HASHES =
        "SELECT ticker, hash FROM markets WHERE ticker IN (SELECT value FROM json_each($1))",
        postgres "SELECT ticker, hash FROM markets \
            WHERE ticker IN (SELECT jsonb_array_elements_text($1::jsonb))";
    EVENT_HASHES =
        "SELECT ticker, hash FROM events WHERE ticker IN (SELECT value FROM json_each($1))",
        postgres "SELECT ticker, hash FROM events \
            WHERE ticker IN (SELECT jsonb_array_elements_text($1::jsonb))";
    SERIES_HASHES =
        "SELECT ticker, hash FROM series WHERE ticker IN (SELECT value FROM json_each($1))",
        postgres "SELECT ticker, hash FROM series \
            WHERE ticker IN (SELECT jsonb_array_elements_text($1::jsonb))";
    UPSERT_MARKET = "INSERT INTO markets (ticker, body, hash, version, first_seen_ms, changed_ms, \
            event_ticker, status, open_ms, close_ms, result) \
            VALUES ($1, $2, $3, 1, $4, $4, $5, $6, $7, $8, $9) \
        ON CONFLICT (ticker) DO UPDATE SET body = excluded.body, hash = excluded.hash, \
            version = markets.version + 1, changed_ms = excluded.changed_ms, \
            event_ticker = excluded.event_ticker, status = excluded.status, \
            open_ms = excluded.open_ms, close_ms = excluded.close_ms, result = excluded.result \
        WHERE markets.hash <> excluded.hash RETURNING version";
    UPSERT_EVENT = "INSERT INTO events (ticker, body, hash, version, first_seen_ms, changed_ms, \
            series_ticker, title, category) VALUES ($1, $2, $3, 1, $4, $4, $5, $6, $7) \
        ON CONFLICT (ticker) DO UPDATE SET body = excluded.body, hash = excluded.hash, \
            version = events.version + 1, changed_ms = excluded.changed_ms, \
            series_ticker = excluded.series_ticker, title = excluded.title, \
            category = excluded.category \
        WHERE events.hash <> excluded.hash RETURNING version";
    UPSERT_SERIES = "INSERT INTO series (ticker, body, hash, version, first_seen_ms, changed_ms, \
            title, category) VALUES ($1, $2, $3, 1, $4, $4, $5, $6) \
        ON CONFLICT (ticker) DO UPDATE SET body = excluded.body, hash = excluded.hash, \
            version = series.version + 1, changed_ms = excluded.changed_ms, \
            title = excluded.title, category = excluded.category \
        WHERE series.hash <> excluded.hash RETURNING version";
    ADD_VERSION = "INSERT INTO metadata_history (kind, ticker, version, from_ms, body) \
        VALUES ($1, $2, $3, $4, $5)";
    HISTORY = "SELECT version, from_ms, body FROM metadata_history \
        WHERE kind = $1 AND ticker = $2 ORDER BY version";
    MARKET = "SELECT m.ticker, m.event_ticker, m.status, m.open_ms, m.close_ms, m.result, m.body, \
            m.version, m.first_seen_ms, m.changed_ms, i.market_id \
        FROM markets m LEFT JOIN market_ids i ON i.ticker = m.ticker WHERE m.ticker = $1";
    MARKETS = "SELECT m.ticker, m.event_ticker, m.status, m.open_ms, m.close_ms, m.result, m.body, \
            m.version, m.first_seen_ms, m.changed_ms, i.market_id \
        FROM markets m LEFT JOIN market_ids i ON i.ticker = m.ticker \
        WHERE m.ticker > $1 AND ($2 IS NULL OR m.event_ticker = $2) \
            AND ($3 IS NULL OR m.status = $3) ORDER BY m.ticker LIMIT $4";
    EVENT = "SELECT ticker, series_ticker, title, category, body, version, first_seen_ms, \
            changed_ms FROM events WHERE ticker = $1";
    EVENTS = "SELECT ticker, series_ticker, title, category, body, version, first_seen_ms, \
            changed_ms FROM events WHERE ticker > $1 AND ($2 IS NULL OR series_ticker = $2) \
        ORDER BY ticker LIMIT $3";
    ONE_SERIES = "SELECT ticker, title, category, body, version, first_seen_ms, changed_ms \
        FROM series WHERE ticker = $1";
    SERIES = "SELECT ticker, title, category, body, version, first_seen_ms, changed_ms \
        FROM series WHERE ticker > $1 ORDER BY ticker LIMIT $2";

    // Gatherers, sessions, what the feed calls a market.
    NOTE_MARKET_IDS = "INSERT INTO market_ids (ticker, market_id, canonical_sid) \
            SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), \
            json_extract(value, '$[2]') FROM json_each($1) WHERE true \
        ON CONFLICT (ticker) DO UPDATE SET market_id = excluded.market_id, \
            canonical_sid = excluded.canonical_sid \
        WHERE market_ids.market_id <> excluded.market_id \
            OR market_ids.canonical_sid <> excluded.canonical_sid",
        postgres "INSERT INTO market_ids (ticker, market_id, canonical_sid) \
            SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT) \
            FROM jsonb_array_elements($1::jsonb) \
        ON CONFLICT (ticker) DO UPDATE SET market_id = excluded.market_id, \
            canonical_sid = excluded.canonical_sid \
        WHERE market_ids.market_id <> excluded.market_id \
            OR market_ids.canonical_sid <> excluded.canonical_sid";
    NOTE_GATHERER = "INSERT INTO gatherers (name, url, version, connected, first_seen_ms, \
            last_seen_ms) VALUES ($1, $2, $3, $4, $5, $5) \
        ON CONFLICT (name) DO UPDATE SET url = excluded.url, connected = excluded.connected, \
            version = CASE WHEN excluded.version = '' THEN gatherers.version \
                ELSE excluded.version END, \
            last_seen_ms = excluded.last_seen_ms";
    GATHERERS = "SELECT name, url, version, connected, first_seen_ms, last_seen_ms \
        FROM gatherers ORDER BY name";
    OPEN_SESSION = "INSERT INTO sessions (gatherer, session, opened_ms, about) \
        VALUES ($1, $2, $3, $4) ON CONFLICT (gatherer, session) DO NOTHING";
    CLOSE_SESSION = "INSERT INTO sessions (gatherer, session, opened_ms, about, closed_ms, reason) \
        VALUES ($1, $2, $3, '', $3, $4) ON CONFLICT (gatherer, session) \
        DO UPDATE SET closed_ms = excluded.closed_ms, reason = excluded.reason \
        WHERE sessions.closed_ms IS NULL";
    SESSIONS = "SELECT gatherer, session, opened_ms, about, closed_ms, reason FROM sessions \
        WHERE ($1 IS NULL OR gatherer = $1) ORDER BY opened_ms DESC, gatherer, session DESC \
        LIMIT $2";

    // The archive.
    ARCHIVE_CURSOR = "SELECT to_incarnation, to_offset FROM archive_manifest WHERE journal = $1 \
        ORDER BY to_incarnation DESC, to_offset DESC LIMIT 1";
    ARCHIVE_HAS = "SELECT path FROM archive_manifest WHERE path = $1";
    ARCHIVE_TOTALS = "SELECT count(*), CAST(coalesce(sum(rows), 0) AS BIGINT), \
            CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM archive_manifest";
    ARCHIVE_ADD = "INSERT INTO archive_manifest (journal, dataset, path, rows, bytes, sha256, \
            from_incarnation, from_offset, to_incarnation, to_offset, min_ts_ms, max_ts_ms) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    ARCHIVE_FILES = "SELECT dataset, path, rows, bytes, sha256, min_ts_ms, max_ts_ms, journal, \
            from_incarnation, from_offset, to_incarnation, to_offset FROM archive_manifest \
        WHERE ($1 IS NULL OR dataset = $1) AND max_ts_ms >= $2 AND min_ts_ms < $3 \
        ORDER BY dataset, min_ts_ms, path";

    // Repairs.
    RECORD_RECOVERY = "INSERT INTO recovery_audit (at_ms, actor, action, market_ticker, from_ms, \
            to_ms, dry_run, outcome, rows_written, detail) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id";
    RECOVERIES = "SELECT id, at_ms, actor, action, market_ticker, from_ms, to_ms, dry_run, outcome, \
            rows_written, detail FROM recovery_audit \
        WHERE ($1 IS NULL OR market_ticker = $1) AND ($2 IS NULL OR action = $2) AND at_ms >= $3 \
            AND id < $4 ORDER BY id DESC LIMIT $5";

    // Leases. Who holds it may extend it; who does not may take it when it is over.
    TAKE_LEASE = "INSERT INTO leases (name, holder, until_ms, token) VALUES ($1, $2, $4, 1) \
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms, \
            token = CASE WHEN leases.holder = excluded.holder AND leases.until_ms > $3 \
                THEN leases.token ELSE leases.token + 1 END \
        WHERE leases.holder = excluded.holder OR leases.until_ms <= $3 \
        RETURNING holder, until_ms, token";
    LEASE = "SELECT holder, until_ms, token FROM leases WHERE name = $1";
    RELEASE_LEASE = "UPDATE leases SET until_ms = 0 WHERE name = $1 AND holder = $2 \
        AND until_ms > 0";
}
