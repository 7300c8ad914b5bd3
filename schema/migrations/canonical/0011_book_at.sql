-- The book of one market at one moment: the last event that is not after the moment says how far to go, the last
-- snapshot up to there where to begin. Order is by seq: a snapshot's ts may be a receipt, later than that of the next delta.
CREATE VIEW IF NOT EXISTS book_at AS
SELECT
    market_ticker,
    side,
    price,
    CAST(sum(qty) AS Decimal(18, 2)) AS size
FROM orderbook_events FINAL
WHERE market_ticker = {ticker:String}
    AND seq <= (
        SELECT max(seq) FROM orderbook_events
        WHERE market_ticker = {ticker:String} AND ts <= {at:DateTime64(3, 'UTC')}
    )
    AND seq >= (
        SELECT if(max(seq) = 0, toUInt64(-1), max(seq)) FROM orderbook_events
        WHERE market_ticker = {ticker:String} AND type = 'snapshot' AND seq <= (
            SELECT max(seq) FROM orderbook_events
            WHERE market_ticker = {ticker:String} AND ts <= {at:DateTime64(3, 'UTC')}
        )
    )
GROUP BY market_ticker, side, price
HAVING sum(qty) > 0
ORDER BY side, price
COMMENT 'SELECT * FROM book_at(ticker = ''KX...'', at = ''2026-11-20 10:00:00.000''): the levels that rested then';
