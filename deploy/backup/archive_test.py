"""Proves that the Parquet archive alone brings the record back: with the fleet stopped, its ClickHouse is started again, the archive
is loaded by load-archive.sh into an empty copy of the tables, twice, and compared with the original market by market.

Used by runbooks/run.py, which has a stopped demo's folder at hand.
"""
import glob
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from demo import get  # noqa: E402

TABLES = {"orderbook": "orderbook_events", "trades": "trades", "tickers": "tickers"}
# What a row is, but for the times and places of its receipt, which both copies must share as well.
SUMMARY = "SELECT market_ticker, count(), sum(cityHash64(*)) FROM {} FINAL GROUP BY market_ticker ORDER BY market_ticker FORMAT TSV"


class ClickHouse:
    """The stopped demo's canonical engine, started again."""

    def __init__(self, demo, folder):
        data = f"{folder}/deduplicator/clickhouse"
        self.process = subprocess.Popen(
            [demo, "__clickhouse", "--listen", "127.0.0.1:0", "--data", data],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.url = None
        end = time.time() + 120
        while self.url is None and time.time() < end:
            found = re.search(r"ClickHouse at (http://\S+)", self.process.stdout.readline())
            self.url = found and found[1]
        if self.url is None:
            raise SystemExit("the engine did not start again")

    def ask(self, sql):
        return get(f"{self.url}/?query={urllib.parse.quote(sql)}", timeout=60)

    def tell(self, sql):
        subprocess.run(["curl", "-sS", "--fail-with-body", self.url, "--data-binary", sql], check=True, stdout=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def problems(demo, folder, parquet):
    """Yields what is not as it must be, and a last line that says what was compared."""
    engine = ClickHouse(demo, folder)
    try:
        engine.tell("CREATE DATABASE from_archive")
        for dataset, table in TABLES.items():
            files = sorted(glob.glob(f"{parquet}/{dataset}/date=*/part-*.parquet"))
            if not files:
                yield f"archive: no file of {dataset}"
                continue
            engine.tell(f"CREATE TABLE from_archive.{table} AS kalshi.{table}")
            environment = os.environ | {"CLICKHOUSE_URL": engine.url, "CLICKHOUSE_DATABASE": "from_archive"}
            for _ in range(2):
                done = subprocess.run([str(HERE / "load-archive.sh"), dataset, *files], env=environment, capture_output=True, text=True)
                if done.returncode:
                    yield f"archive: {done.stdout}{done.stderr}"
                    break
            original, loaded = (engine.ask(SUMMARY.format(f"{database}.{table}")) for database in ("kalshi", "from_archive"))
            if not original or original != loaded:
                different = len(set(original.splitlines()) ^ set(loaded.splitlines()))
                yield f"archive: {table} from {len(files)} files differs from the original in {different} lines of {len(original.splitlines())} markets"
            print(f"archive: {table}: {len(original.splitlines())} markets from {len(files)} files")
    finally:
        engine.stop()
