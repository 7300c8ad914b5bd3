#!/usr/bin/env python3
"""Writes the schema for more than one ClickHouse server, made of schema/migrations. When to use it: docs/scaling.md.

    deploy/clickhouse/cluster.py replicated    tables with a copy on each replica of a shard; run it before the first start of a part
    deploy/clickhouse/cluster.py across        database kalshi_all: one table over all shards; run it after, and after each upgrade
    deploy/clickhouse/cluster.py try           starts two embedded engines as two shards and tries `across` on them; checks that
                                               ClickHouse's own parser takes `replicated` (there is no Keeper in that engine)
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request

import try_it

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CLUSTER = "kalshi"
# Kept in one part or made of all; nobody asks for them across shards.
OWN = {"sink_cursor", "schema_migrations"}


def tables():
    """Name and statement of every table of the canonical database."""
    program = re.search(r'CREATE_MIGRATIONS_TABLE: &str = "\\\n(.*?)";', (ROOT / "schema/src/migrations.rs").read_text(), re.S)
    for statement in [*try_it.statements("canonical", "shared"), program[1]]:
        name = re.match(r"\s*CREATE TABLE IF NOT EXISTS (\w+)", statement)
        if name:
            yield name[1], statement.strip()


def replicated():
    """Only the engine and its window differ from what a program makes by itself."""
    for name, statement in tables():
        engine = re.compile(r"^ENGINE = ReplacingMergeTree(?:\((\w+)\))?$", re.M)
        version = engine.search(statement)[1]
        arguments = [f"'/clickhouse/tables/{{shard}}/{{database}}/{name}'", "'{replica}'", *([version] if version else [])]
        statement = engine.sub(f"ENGINE = ReplicatedReplacingMergeTree({', '.join(arguments)})", statement)
        statement = statement.replace(f"EXISTS {name}\n", f"EXISTS kalshi.{name} ON CLUSTER {CLUSTER}\n", 1)
        # A token is remembered as long as on one server: so many batches, and no time that ends before them.
        yield statement.replace("non_replicated_deduplication_window = 10000",
                                "replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800")


def across():
    """What a researcher asks: each row lies on the shard of its market's share (MARKET_SHARE), so a query for one market asks one server."""
    yield f"CREATE DATABASE IF NOT EXISTS kalshi_all ON CLUSTER {CLUSTER}"
    for name, statement in tables():
        if name not in OWN:
            key = "market_ticker" if "`market_ticker`" in statement else "ticker"
            yield (f"CREATE OR REPLACE TABLE kalshi_all.{name} ON CLUSTER {CLUSTER} AS kalshi.{name}\n"
                   f"ENGINE = Distributed('{CLUSTER}', 'kalshi', '{name}', CRC32({key}))\n"
                   "SETTINGS fsync_after_insert = 1")
    made = r"CREATE (?:VIEW IF NOT EXISTS|OR REPLACE VIEW) (\w+)"
    # The last migration that makes a view counts.
    views = {name[1]: statement.strip() for statement in try_it.statements("canonical") if (name := re.match(rf"\s*{made}", statement))}
    for name, statement in views.items():
        statement = re.sub(made, f"CREATE OR REPLACE VIEW kalshi_all.{name} ON CLUSTER {CLUSTER}", statement, count=1)
        yield re.sub(r"\bFROM (orderbook_events|latest_levels|gaps)\b", r"FROM kalshi_all.\1", statement)


class Engine:
    """An embedded engine that speaks the native protocol too, as the first server of its shard."""

    def __init__(self, port, native, shards):
        self.port, self.folder = port, tempfile.mkdtemp(prefix="kalshi-shard-")
        try_it.files(self.folder, port)
        servers = "".join(f"<shard><replica><host>127.0.0.1</host><port>{shard}</port></replica></shard>" for shard in shards)
        config = pathlib.Path(f"{self.folder}/config.d/cluster.xml")
        config.write_text(f"<clickhouse><tcp_port>{native}</tcp_port><remote_servers><{CLUSTER}>{servers}</{CLUSTER}></remote_servers></clickhouse>")
        self.child = os.fork()
        if self.child == 0:
            log = os.open(f"{self.folder}/log", os.O_WRONLY | os.O_CREAT)
            os.dup2(log, 1)
            os.dup2(log, 2)
            try_it.host(self.folder, port, "SYSTEM START LISTEN TCP; ", [f"--tcp_port={native}", "--listen_host=127.0.0.1"])

    def wait(self, limit=90):
        end = time.time() + limit
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5)
                return
            except OSError:
                if time.time() > end:
                    sys.exit("the engine did not start:\n" + pathlib.Path(f"{self.folder}/log").read_text()[-3000:])
                time.sleep(0.2)

    def ask(self, sql, database="default"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/?database={database}&wait_end_of_query=1", sql.encode())
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.read().decode().strip()
        except urllib.error.HTTPError as refused:
            sys.exit(f"{sql[:300]}\n{refused.read().decode()[:1000]}")

    def end(self):
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def event(ticker, seq, size, kind="delta"):
    return json.dumps({"type": kind, "sid": 1, "seq": seq, "market_ticker": ticker, "side": "yes", "price": "0.4", "qty": size,
                       "ts": "2026-11-21 10:00:00.000", "clock": seq})


def is_so(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: {found!r}, not {expected!r}")


def attempt(shards):
    """Two shards with the rows of their shares, asked through kalshi_all on either."""
    tickers = [f"KXTRY-26-T{number}" for number in range(40)]
    for number, engine in enumerate(shards):
        engine.ask("CREATE DATABASE kalshi")
        for statement in try_it.statements("shared", "canonical"):
            engine.ask(statement, "kalshi")
        mine = engine.ask(f"SELECT arrayJoin({tickers}) AS ticker WHERE CRC32(ticker) % 2 = {number}").splitlines()
        rows = [event(ticker, seq, seq, "snapshot" if seq == 1 else "delta") for ticker in mine for seq in (1, 2)]
        engine.ask("INSERT INTO orderbook_events FORMAT JSONEachRow " + "\n".join(rows), "kalshi")
        levels = [json.dumps({"market_ticker": ticker, "side": "yes", "price": "0.4", "size": 3, "seq": 2}) for ticker in mine]
        engine.ask("INSERT INTO latest_levels FORMAT JSONEachRow " + "\n".join(levels), "kalshi")
        is_so("both shards have markets", 0 < len(mine) < len(tickers), True)
    for engine in shards:
        for statement in across():
            # Without a Keeper there is no queue of statements for all servers: each is told by itself.
            engine.ask(statement.replace(f" ON CLUSTER {CLUSTER}", ""))
        is_so("events", engine.ask("SELECT count(), uniqExact(market_ticker), sum(qty) FROM orderbook_events FINAL", "kalshi_all"), "80\t40\t120")
        is_so("levels", engine.ask("SELECT count() FROM latest_book", "kalshi_all"), "40")
        for ticker in tickers[:4]:
            book = f"SELECT price, size FROM book_at(ticker = '{ticker}', at = '2026-11-21 11:00:00.000')"
            is_so(f"book of {ticker}", engine.ask(book, "kalshi_all"), "0.4\t3")
            one = f"SELECT count() FROM orderbook_events WHERE market_ticker = '{ticker}' SETTINGS optimize_skip_unused_shards = 1, force_optimize_skip_unused_shards = 2"
            is_so(f"one market on one server, {ticker}", engine.ask(one, "kalshi_all"), "2")
    # What was told in a hole of cause divergence is refuted, on whichever server the hole stands.
    hole = {"cause": "divergence", "era": 0, "from_clock": 1, "from_ts": "2026-11-21 09:00:00.000", "to_ts": "2026-11-21 12:00:00.000"}
    shards[0].ask("INSERT INTO gaps SETTINGS distributed_foreground_insert = 1 FORMAT JSONEachRow "
                  + "\n".join(json.dumps(hole | {"market_ticker": ticker}) for ticker in tickers), "kalshi_all")
    for ticker in tickers:
        book = f"SELECT price, size FROM book_at(ticker = '{ticker}', at = '2026-11-21 11:00:00.000')"
        is_so(f"book of {ticker} without what was refuted", shards[1].ask(book, "kalshi_all"), "0.4\t1")
    # A row that is sent to the whole finds the server of its share.
    shards[0].ask("INSERT INTO orderbook_events SETTINGS distributed_foreground_insert = 1 FORMAT JSONEachRow " + "\n".join(event(ticker, 3, 1) for ticker in tickers), "kalshi_all")
    for number, engine in enumerate(shards):
        found = engine.ask(f"SELECT countIf(CRC32(market_ticker) % 2 != {number}), countIf(seq = 3) > 0 FROM orderbook_events", "kalshi")
        is_so("every row on its share's server", found, "0\t1")
    count = 0
    for statement in [*replicated(), *across()]:
        quoted = statement.rstrip().rstrip(";").replace("\\", "\\\\").replace("'", "\\'")
        count += len(shards[0].ask(f"SELECT formatQuerySingleLine('{quoted}')")) > 0
    print(f"cluster: two shards answered as one, each row on its share's server; ClickHouse's parser takes all {count} statements")


def main():
    what = sys.argv[1] if len(sys.argv) == 2 else ""
    if what in ("replicated", "across"):
        print(";\n\n".join(statement.rstrip().rstrip(";") for statement in (replicated() if what == "replicated" else across())) + ";")
    elif what == "try":
        natives = [free_port(), free_port()]
        shards = []
        try:
            for native in natives:
                shards.append(Engine(free_port(), native, natives))
            for engine in shards:
                engine.wait()
            attempt(shards)
        finally:
            for engine in shards:
                engine.end()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
