-- As 0011, and what was told in a hole of cause divergence is left out: the exchange's own book refuted it.
CREATE OR REPLACE VIEW book_at AS
WITH
    (
        SELECT max(seq) FROM orderbook_events
        WHERE market_ticker = {ticker:String} AND ts <= {at:DateTime64(3, 'UTC')}
    ) AS told,
    (
        SELECT argMax((cause = 'divergence', era, from_clock), from_ts) FROM gaps FINAL
        WHERE market_ticker = {ticker:String}
            AND from_ts <= {at:DateTime64(3, 'UTC')} AND {at:DateTime64(3, 'UTC')} < to_ts
    ) AS hole,
    (
        SELECT max(seq) FROM orderbook_events
        WHERE market_ticker = {ticker:String} AND seq <= told
            AND (NOT hole.1 OR (era, clock) <= (hole.2, hole.3))
    ) AS head,
    (
        SELECT max(seq) FROM orderbook_events
        WHERE market_ticker = {ticker:String} AND type = 'snapshot' AND seq <= head
    ) AS base
SELECT
    market_ticker,
    side,
    price,
    CAST(sum(qty) AS Decimal(18, 2)) AS size
FROM orderbook_events FINAL
WHERE market_ticker = {ticker:String} AND base > 0 AND seq BETWEEN base AND head
GROUP BY market_ticker, side, price
HAVING sum(qty) > 0
ORDER BY side, price
COMMENT 'SELECT * FROM book_at(ticker = ''KX...'', at = ''2026-11-20 10:00:00.000''): the levels that rested then';
