CREATE TABLE archive_manifest (
    journal TEXT NOT NULL,
    dataset TEXT NOT NULL,
    path TEXT NOT NULL PRIMARY KEY,
    rows BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    from_incarnation BIGINT NOT NULL,
    from_offset BIGINT NOT NULL,
    to_incarnation BIGINT NOT NULL,
    to_offset BIGINT NOT NULL,
    min_ts_ms BIGINT NOT NULL,
    max_ts_ms BIGINT NOT NULL
);
CREATE INDEX archive_manifest_end ON archive_manifest (journal, to_incarnation, to_offset);

-- Metadata as REST gave it last. Columns are taken out of body; hash tells whether body changed.
CREATE TABLE markets (
    ticker TEXT NOT NULL PRIMARY KEY,
    event_ticker TEXT NOT NULL,
    status TEXT NOT NULL,
    open_ms BIGINT,
    close_ms BIGINT,
    result TEXT,
    body TEXT NOT NULL,
    hash TEXT NOT NULL,
    version BIGINT NOT NULL,
    first_seen_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);
CREATE INDEX markets_event ON markets (event_ticker);
CREATE INDEX markets_status ON markets (status, ticker);

CREATE TABLE events (
    ticker TEXT NOT NULL PRIMARY KEY,
    series_ticker TEXT NOT NULL,
    title TEXT,
    category TEXT,
    body TEXT NOT NULL,
    hash TEXT NOT NULL,
    version BIGINT NOT NULL,
    first_seen_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);
CREATE INDEX events_series ON events (series_ticker);

CREATE TABLE series (
    ticker TEXT NOT NULL PRIMARY KEY,
    title TEXT,
    category TEXT,
    body TEXT NOT NULL,
    hash TEXT NOT NULL,
    version BIGINT NOT NULL,
    first_seen_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);

-- Every version that metadata ever had, the present one too. kind: market, event, series.
CREATE TABLE metadata_history (
    kind TEXT NOT NULL,
    ticker TEXT NOT NULL,
    version BIGINT NOT NULL,
    from_ms BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, ticker, version)
);
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
    canonical_sid BIGINT NOT NULL
);

CREATE TABLE gatherers (
    name TEXT NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    version TEXT NOT NULL,
    connected BIGINT NOT NULL,
    first_seen_ms BIGINT NOT NULL,
    last_seen_ms BIGINT NOT NULL
);

-- One connection of one gatherer to the exchange.
CREATE TABLE sessions (
    gatherer TEXT NOT NULL,
    session BIGINT NOT NULL,
    opened_ms BIGINT NOT NULL,
    about TEXT NOT NULL,
    closed_ms BIGINT,
    reason TEXT,
    PRIMARY KEY (gatherer, session)
);

-- What was done about holes, by whom, with what outcome.
CREATE TABLE recovery_audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    market_ticker TEXT,
    from_ms BIGINT,
    to_ms BIGINT,
    dry_run BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    rows_written BIGINT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX recovery_audit_market ON recovery_audit (market_ticker, id);

-- Who may do what only one may do. token rises with every change of hands.
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until_ms BIGINT NOT NULL,
    token BIGINT NOT NULL
);
