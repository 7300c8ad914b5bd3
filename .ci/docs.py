"""Runs every marked block of docs/using-the-data.md against an archive made by the demo, and compares the answers.

A block is marked by a comment before its fence: <!-- run: ENGINE NAME [same | FILE] -->. Blocks of one NAME that
are marked `same` must give the same rows. Called by .ci/docs, which says what is installed.
"""

import datetime
import decimal
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import uuid

import duckdb
import polars
import pyarrow

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "using-the-data.md"
BLOCK = re.compile(r"<!-- run: (\w+) (.*?) -->\n```\w+\n(.*?)\n```", re.S)
# One gatherer whose socket is cut now and then: there are holes, and the demo itself proves the record.
DEMO = ["--rate", "400", "--markets", "12", "--gatherers", "1", "--chaos", "--seed", "5"]
# A busy machine may not get to the first cut in the shortest run.
SECONDS = (25, 60, 120)
# Version of the rows of `gaps` that are made here.
MADE = 1000
# Answers that stop at an empty table prove nothing.
ROWS_MIN = 1


def make_archive(demo, folder, seconds):
    """Runs the demo; its archive is then `archive` in the folder."""
    log = folder / "demo.log"
    shutil.rmtree(folder / "run", ignore_errors=True)
    (folder / "archive").unlink(missing_ok=True)
    with open(log, "w") as out:
        code = subprocess.run([demo, *DEMO, "--seconds", str(seconds), "--data", folder / "run"], stdout=out, stderr=out).returncode
    if code != 0:
        sys.exit(f"the demo failed, or found faults in its record ({' '.join(DEMO)} reproduces):\n{log.read_text()[-4000:]}")
    os.symlink(folder / "run/deduplicator/parquet", folder / "archive")


class ClickHouse:
    """The engine on the canonical tables that the demo left."""

    def __init__(self, demo, data):
        command = [demo, "__clickhouse", "--listen", "127.0.0.1:0", "--data", data]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            if line.startswith("ClickHouse at "):
                self.url = line.split()[2]
                return
        sys.exit("ClickHouse does not start")

    def ask(self, sql, parameters=None):
        query = {"database": "kalshi", **{f"param_{name}": value for name, value in (parameters or {}).items()}}
        request = urllib.request.Request(f"{self.url}/?{urllib.parse.urlencode(query)}", data=sql.encode())
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()[:2000]) from None

    def rows(self, sql, parameters):
        lines = self.ask(f"{sql}\nFORMAT JSONCompactEachRow SETTINGS output_format_json_quote_decimals = 1", parameters)
        return [json.loads(line) for line in lines.splitlines()]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def plain(value):
    """A value as text that does not depend on the tool."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (int, float, decimal.Decimal)):
        return format(decimal.Decimal(str(value)).normalize() + 0, "f")
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    text = str(value)
    try:
        return format(decimal.Decimal(text).normalize() + 0, "f")
    except decimal.InvalidOperation:
        return text


def rows_of(result):
    """The rows of whatever a Python block left in `result`."""
    if isinstance(result, polars.DataFrame):
        return result.rows()
    if isinstance(result, (pyarrow.Table, pyarrow.RecordBatch)):
        return [tuple(row.values()) for row in result.to_pylist()]
    return result if isinstance(result, list) else [(result,)]


class Runner:
    def __init__(self, clickhouse, folder):
        self.clickhouse, self.folder = clickhouse, folder
        self.duckdb = duckdb.connect()
        self.duckdb.execute("SET TimeZone = 'UTC'")
        self.answers, self.ran = {}, 0
        # The busiest market that has a hole, and the middle half of its time.
        market = ("SELECT market_ticker, toUnixTimestamp64Milli(min(ts)), toUnixTimestamp64Milli(max(ts)) FROM orderbook_events "
                  "WHERE market_ticker IN (SELECT market_ticker FROM gaps) GROUP BY 1 ORDER BY count() DESC LIMIT 1")
        self.ticker, first, last = clickhouse.rows(market, {})[0]
        utc = lambda ms: datetime.datetime.fromtimestamp(int(ms) / 1000, datetime.timezone.utc)
        first, last = utc(first), utc(last)
        self.start = (first + (last - first) / 8).replace(microsecond=0)
        self.end = (last - (last - first) / 8).replace(microsecond=0)
        self.at = first + (last - first) / 2
        self.at = self.at.replace(microsecond=self.at.microsecond // 1000 * 1000)
        # A book is also asked for where it is hardest: around the ends of holes.
        ends = "SELECT toUnixTimestamp64Milli(to_ts) FROM gaps FINAL WHERE market_ticker = {ticker:String} AND year(to_ts) < 2299 ORDER BY 1 LIMIT 5"
        ends = [int(row[0]) for row in clickhouse.rows(ends, {"ticker": self.ticker})]
        self.refuted = utc(self.make_holes())
        self.moments = [self.at, self.refuted] + [utc(end + by) for end in ends for by in (-1, 0, 1, 5)]
        self.python = {"ticker": self.ticker, "at": self.at, "start": self.start, "end": self.end}

    def make_holes(self):
        """Adds rows that the demo does not make: a hole without end, one that was taken back, and one in which changes
        were refuted. Returns a moment (ms) inside the last."""
        # A folder that is used again has them already.
        self.clickhouse.ask(f"ALTER TABLE gaps DELETE WHERE version = {MADE} SETTINGS mutations_sync = 1")
        place = "market_ticker, era, clock, toUnixTimestamp64Milli(ts)"
        steps = self.clickhouse.rows(f"SELECT {place} FROM orderbook_events WHERE market_ticker = {{ticker:String}} ORDER BY seq",
                                     {"ticker": self.ticker})
        steps = [(market, int(era), int(clock), int(ms)) for market, era, clock, ms in steps]
        spans = self.clickhouse.rows("SELECT toUnixTimestamp64Milli(from_ts), toUnixTimestamp64Milli(to_ts) FROM gaps FINAL "
                                     "WHERE market_ticker = {ticker:String}", {"ticker": self.ticker})
        spans = [(int(begins), int(ends)) for begins, ends in spans]
        # A twentieth of the market's events that no other hole touches, of one era and with time between them.
        for part in range(6, 18):
            first, middle, last = (steps[len(steps) * at // 40] for at in (2 * part, 2 * part + 1, 2 * part + 2))
            is_free = all(ends < first[3] or last[3] < begins for begins, ends in spans)
            if is_free and first[1] == last[1] and first[3] < middle[3] < last[3]:
                break
        else:
            sys.exit("the market has no stretch without a hole")
        other = "SELECT market_ticker, max(era), max(clock), toUnixTimestamp64Milli(max(ts)) FROM orderbook_events WHERE market_ticker != {ticker:String} GROUP BY 1 ORDER BY 1 LIMIT 1"
        other = self.clickhouse.rows(other, {"ticker": self.ticker})[0]
        no_end = (2**64 - 1, 10_413_791_999_999)
        for (market, era, clock, ms), (to_clock, to_ms), cause in (
                (first, (last[2], last[3]), "divergence"), (steps[-1], no_end, "left"), (other, other[2:], "covered_again")):
            self.clickhouse.ask(f"INSERT INTO gaps SELECT '{market}', {era}, {clock}, {to_clock}, fromUnixTimestamp64Milli(toInt64({ms}), 'UTC'), "
                                f"fromUnixTimestamp64Milli(toInt64({to_ms}), 'UTC'), '{cause}', 'open', '', {MADE}")
        return middle[3]

    def check(self):
        """What cannot be seen by comparing the tools with each other."""
        told = "SELECT toString(market_ticker), toUnixTimestamp64Milli(to_ts) - toUnixTimestamp64Milli(from_ts), toString(cause) FROM gaps FINAL ORDER BY 1"
        expected = {}
        for market, length, cause in self.clickhouse.rows(told, {}):
            row = expected.setdefault(market, [0, 0, 0])
            is_ended = int(length) < 10**12
            row[0] += is_ended and cause != "covered_again"
            row[1] += int(length) * is_ended
            row[2] += not is_ended
        expected = [tuple(map(plain, (market, *row))) for market, row in sorted(expected.items()) if any(row)]
        compare("holes", ("expected", expected), self.answers["holes"])
        # Without the hole the moment has another book, or it proves nothing.
        naive = ("SELECT toString(side), price, sum(qty) AS size FROM orderbook_events FINAL WHERE market_ticker = {ticker:String} AND seq BETWEEN "
                 "(SELECT max(seq) FROM orderbook_events WHERE market_ticker = {ticker:String} AND type = 'snapshot' AND ts <= {at:DateTime64(3)}) AND "
                 "(SELECT max(seq) FROM orderbook_events WHERE market_ticker = {ticker:String} AND ts <= {at:DateTime64(3)}) "
                 "GROUP BY side, price HAVING size > 0 ORDER BY side DESC, price")
        at = self.refuted.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        naive = [tuple(map(plain, row)) for row in self.clickhouse.rows(naive, {"ticker": self.ticker, "at": at})]
        if naive == self.answers[f"book at {self.refuted}"][1]:
            sys.exit(f"the refuted changes of {self.ticker} are in its book at {at}, or change nothing there")

    def run(self, engine, name, code):
        if engine == "python":
            self.python.pop("result", None)
            exec(compile(code, name, "exec"), self.python)
            return rows_of(self.python["result"])
        times = {"at": self.at, "from": self.start, "to": self.end}
        if engine == "duckdb":
            rows = []
            for sql in filter(None, map(str.strip, code.split(";\n"))):
                values = {k: v for k, v in {"ticker": self.ticker, **times}.items() if f"${k}" in sql}
                found = self.duckdb.execute(sql, values)
                rows = [] if sql.startswith("CREATE") else [tuple(row) for row in found.fetchall()]
            return rows
        shown = {k: v.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] for k, v in times.items()}
        return self.clickhouse.rows(code, {"ticker": self.ticker, **shown})

    def block(self, engine, words, code):
        name, how = words[0], words[1] if len(words) > 1 else ""
        if name == "export":
            (self.folder / how).write_bytes(self.clickhouse.ask(code))
            self.ran += 1
            return
        for moment in self.moments if name == "book" else [self.at]:
            self.at = self.python["at"] = moment
            self.answer(engine, name, how, code)
        self.at = self.python["at"] = self.moments[0]
        self.ran += 1

    def answer(self, engine, name, how, code):
        try:
            rows = [tuple(map(plain, row)) for row in self.run(engine, name, code.rstrip().rstrip(";"))]
        except Exception as error:
            sys.exit(f"{engine} {name}: {type(error).__name__}: {error}\n{code}")
        if self.at == self.moments[0]:
            print(f"{engine:<11}{name:<11}{len(rows):>6} rows", flush=True)
        if len(rows) < ROWS_MIN:
            sys.exit(f"{engine} {name}: no rows\n{code}")
        if how == "same":
            asked = f"{name} at {self.at}" if name == "book" else name
            known = self.answers.setdefault(asked, (engine, rows))
            compare(asked, known, (engine, rows))


def compare(name, known, found):
    for place, (left, right) in enumerate(zip(known[1], found[1])):
        if left != right:
            sys.exit(f"{name}: row {place} differs:\n{known[0]:<11}{left}\n{found[0]:<11}{right}")
    if len(known[1]) != len(found[1]):
        sys.exit(f"{name}: {known[0]} has {len(known[1])} rows, {found[0]} has {len(found[1])}")


def with_holes(demo, folder):
    """An archive in which something is missing, and the engine on its tables."""
    for seconds in SECONDS:
        if not (folder / "archive").exists():
            make_archive(demo, folder, seconds)
        clickhouse = ClickHouse(demo, folder / "run/deduplicator/clickhouse")
        if clickhouse.rows("SELECT count() FROM gaps FINAL", {}) != [["0"]]:
            return clickhouse
        clickhouse.stop()
        (folder / "archive").unlink()
    sys.exit("the demo made no hole")


def main():
    demo = sys.argv[1]
    text = PAGE.read_text()
    blocks = BLOCK.findall(text)
    marked = text.count("<!-- run:")
    if marked != len(blocks) or marked < 20:
        sys.exit(f"{marked} marks and {len(blocks)} blocks in {PAGE}")
    with tempfile.TemporaryDirectory(prefix="kalshi-docs-") as made:
        folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(made)
        clickhouse = with_holes(demo, folder)
        os.chdir(folder)
        try:
            runner = Runner(clickhouse, folder)
            print(f"{runner.ticker}, {runner.start} to {runner.end}, at {runner.at}")
            for engine, words, code in blocks:
                runner.block(engine, words.split(), code)
            runner.check()
        finally:
            clickhouse.stop()
        os.chdir("/")
    print(f"docs/using-the-data.md: {runner.ran} blocks ran, {len(runner.answers)} answers compared between the tools")


main()
