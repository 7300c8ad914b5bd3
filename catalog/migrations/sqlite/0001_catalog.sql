-- The archive's manifest is older than these migrations: where it stands already, it stays.
CREATE TABLE IF NOT EXISTS archive_manifest (
    journal TEXT NOT NULL,
    dataset TEXT NOT NULL,
    path TEXT NOT NULL PRIMARY KEY,
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    from_incarnation INTEGER NOT NULL,
    from_offset INTEGER NOT NULL,
    to_incarnation INTEGER NOT NULL,
    to_offset INTEGER NOT NULL,
    min_ts_ms INTEGER NOT NULL,
    max_ts_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX archive_manifest_end ON archive_manifest (journal, to_incarnation, to_offset);

-- Metadata as REST gave it last. Columns are taken out of body; hash tells whether body changed.
CREATE TABLE markets (
    ticker TEXT NOT NULL PRIMARY KEY,
    event_ticker TEXT NOT NULL,
    status TEXT NOT NULL,
    open_ms INTEGER,
    close_ms INTEGER,
    result TEXT,
    body TEXT NOT NULL,
    hash TEXT NOT NULL,
    version INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX markets_event ON markets (event_ticker);
CREATE INDEX markets_status ON markets (status, ticker);

CREATE TABLE events (
    ticker TEXT NOT NULL PRIMARY KEY,
    series_ticker TEXT NOT NULL,
    title TEXT,
    category TEXT,
    body TEXT NOT NULL,
    hash TEXT NOT NULL,
    version INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX events_series ON events (series_ticker);

CREATE TABLE series (
    ticker TEXT NOT NULL PRIMARY KEY,
    title TEXT,
    category TEXT,
    body TEXT NOT NULL,
    hash TEXT NOT NULL,
    version INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL
) STRICT;

-- Every version that metadata ever had, the present one too. kind: market, event, series.
CREATE TABLE metadata_history (
    kind TEXT NOT NULL,
    ticker TEXT NOT NULL,
    version INTEGER NOT NULL,
    from_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, ticker, version)
) STRICT;
CREATE VIEW market_history AS
    SELECT ticker, version, from_ms, body FROM metadata_history WHERE kind = 'market';
CREATE VIEW event_history AS
    SELECT ticker, version, from_ms, body FROM metadata_history WHERE kind = 'event';
CREATE VIEW series_history AS
    SELECT ticker, version, from_ms, body FROM metadata_history WHERE kind = 'series';

-- What the feed calls a market; REST does not say it.
CREATE TABLE market_ids (
    ticker TEXT NOT NULL PRIMARY KEY,
    market_id TEXT NOT NULL,
    canonical_sid INTEGER NOT NULL
) STRICT;

CREATE TABLE gatherers (
    name TEXT NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    version TEXT NOT NULL,
    connected INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL
) STRICT;

-- One connection of one gatherer to the exchange.
CREATE TABLE sessions (
    gatherer TEXT NOT NULL,
    session INTEGER NOT NULL,
    opened_ms INTEGER NOT NULL,
    about TEXT NOT NULL,
    closed_ms INTEGER,
    reason TEXT,
    PRIMARY KEY (gatherer, session)
) STRICT;

-- What was done about holes, by whom, with what outcome.
CREATE TABLE recovery_audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    market_ticker TEXT,
    from_ms INTEGER,
    to_ms INTEGER,
    dry_run INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    rows_written INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX recovery_audit_market ON recovery_audit (market_ticker, id);

-- Who may do what only one may do. token rises with every change of hands.
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    token INTEGER NOT NULL
) STRICT;
