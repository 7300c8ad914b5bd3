//! The variants: the shipped statement with one thing changed.

use schema::{Role, migrations};

/// A name and the statement that makes it.
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    pub(crate) create: String,
}

fn shipped() -> String {
    let events = migrations(Role::Canonical).iter().find(|m| m.name == "orderbook_events");
    events.expect("the schema has it").statements[0].clone()
}

/// Each changes something: a replacement that finds nothing would measure the same table twice.
fn changed(name: &'static str, from: &[(&str, &str)]) -> Variant {
    let mut create = shipped();
    for (old, new) in from {
        assert!(create.contains(old), "{name}: no {old} in the statement");
        create = create.replace(old, new);
    }
    Variant { name, create }
}

pub(crate) fn variants() -> Vec<Variant> {
    let order = "ORDER BY (market_ticker, seq, side, price)";
    let index = ",\n    INDEX ts_range ts TYPE minmax GRANULARITY 1";
    vec![
        Variant { name: "as shipped", create: shipped() },
        changed("no index on ts", &[(index, "")]),
        changed(
            "ordered by (market, ts, seq)",
            &[(order, "ORDER BY (market_ticker, ts, seq, side, price)"), (index, "")],
        ),
        changed(
            "ordered by (ts, market, seq)",
            &[(order, "ORDER BY (ts, market_ticker, seq, side, price)")],
        ),
        changed("plain MergeTree", &[("ENGINE = ReplacingMergeTree", "ENGINE = MergeTree")]),
        changed("tickers as String", &[("LowCardinality(String)", "String")]),
        changed("no codecs (lz4)", &[("CODEC(Delta, ZSTD(1))", ""), ("CODEC(ZSTD(1))", "")]),
        changed("no deltas, ZSTD(1)", &[("CODEC(Delta, ZSTD(1))", "CODEC(ZSTD(1))")]),
        changed("ZSTD(3)", &[("ZSTD(1)", "ZSTD(3)")]),
        changed("DoubleDelta for Delta", &[("CODEC(Delta, ", "CODEC(DoubleDelta, ")]),
        changed("T64 for Delta", &[("CODEC(Delta, ", "CODEC(T64, ")]),
        changed(
            "T64 on price, qty too",
            &[
                ("both sides; 0 in the one row of an empty snapshot' CODEC(", "x' CODEC(T64, "),
                ("its signed change (delta)' CODEC(", "x' CODEC(T64, "),
            ],
        ),
    ]
}
