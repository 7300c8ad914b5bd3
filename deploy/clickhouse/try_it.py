#!/usr/bin/env python3
"""Starts the embedded ClickHouse engine, which is the server's own code, with config.d/kalshi.xml and users.d/kalshi.xml, and tries what
each user may and may not do: the programs' users apply the real migrations.

    deploy/clickhouse/try_it.py     the engine must be in the cache (a demo or the tests fetch it)

Backup, restore and the loading of an archive run through deploy/backup's own scripts.

Not as in production: the port, no listening on a private address, and the name of `default`: the engine's own session has that name and no
password, so the server's stock user and what users.d/kalshi.xml puts in its place are both called `admin` here.
"""
import ctypes
import glob
import hashlib
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
MIGRATIONS = HERE.parent.parent / "schema/migrations"
WHO = ("GATHERER", "DEDUPLICATOR", "BACKUP", "RESEARCHER", "ADMIN")


def host(folder, port, more="", flags=()):
    """The engine's process: never returns."""
    library = glob.glob(os.path.expanduser("~/.cache/kalshi-capture/chdb-*/**/libchdb.so"), recursive=True)
    if not library:
        sys.exit("the engine is not in ~/.cache/kalshi-capture: run `cargo demo --seconds 5` first")
    for who in WHO:
        os.environ[f"KALSHI_{who}_SHA256"] = hashlib.sha256(who.lower().encode()).hexdigest()
    os.environ["KALSHI_PRIVATE_NETWORK"] = "10.0.0.0/16"
    _, terminal = pty.openpty()
    os.dup2(terminal, 0)
    query = f"SYSTEM START LISTEN HTTP; {more}SELECT sleepEachRow(1) FROM numbers(3600) SETTINGS function_sleep_max_microseconds_per_block = 0, max_block_size = 1 FORMAT Null"
    arguments = ["clickhouse", "--interactive", f"--path={folder}/data", f"--config-file={folder}/config.xml", f"--http_port={port}",
                 "--disable_suggestion", "--history_file=/dev/null", "--highlight=0", "--progress=off", *flags, f"--query={query}"]
    array = (ctypes.c_char_p * len(arguments))(*[argument.encode() for argument in arguments])
    engine = ctypes.CDLL(library[0])
    engine.chdb_query_cmdline.restype = ctypes.c_void_p
    engine.chdb_query_cmdline(len(arguments), array)
    os._exit(0)


def files(folder, port):
    for part in ("config.d", "users.d", "data/metadata"):
        os.makedirs(f"{folder}/{part}")
    config = (HERE / "config.d/kalshi.xml").read_text()
    for gone in ('<listen_host from_env="KALSHI_PRIVATE_ADDRESS"/>', "<tcp_port>9000</tcp_port>"):
        assert gone in config, f"config.d/kalshi.xml has no {gone}"
        config = config.replace(gone, "")
    config = config.replace("<http_port>8123<", f"<http_port>{port}<").replace("/var/lib/clickhouse", f"{folder}/data")
    # Another server's metrics port may be taken on this machine.
    config = re.sub(r"<prometheus>.*?</prometheus>", "", config, flags=re.S)
    pathlib.Path(f"{folder}/config.d/kalshi.xml").write_text(config)
    users = (HERE / "users.d/kalshi.xml").read_text()
    pathlib.Path(f"{folder}/users.d/kalshi.xml").write_text(users.replace("<default replace", "<admin replace").replace("</default>", "</admin>"))
    pathlib.Path(f"{folder}/config.xml").write_text(
        f"<clickhouse><path>{folder}/data</path><users_config>{folder}/users.xml</users_config>"
        "<logger><level>error</level><console>1</console></logger></clickhouse>")
    pathlib.Path(f"{folder}/users.xml").write_text(
        "<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users>"
        + "".join(f"<{name}><password></password><networks><ip>127.0.0.1</ip><ip>::1</ip></networks><profile>default</profile>"
                  f"<quota>default</quota></{name}>" for name in ("default", "admin")) + "</users></clickhouse>")


def ask(port, user, sql, password=None):
    """The answer's text; of a refusal the error code as `Code: N`."""
    headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password or user.replace("kalshi_", "")}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/?database={'default' if 'DATABASE' in sql else 'kalshi'}", sql.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode().strip()
    except urllib.error.HTTPError as refused:
        text = refused.read().decode()
        return re.search(r"Code: \d+", text)[0] + " " + text[:200]


def statements(*folders):
    for folder in folders:
        for file in sorted((MIGRATIONS / folder).glob("*.sql")):
            bare = re.sub(r"^\s*--.*$", "", file.read_text(), flags=re.M)
            yield from (part for part in re.split(r";\s*\n", bare + "\n") if part.strip(" \n;"))


def script(port, user, folder, name, *arguments):
    """Runs a script of deploy/backup as this user; the last line it prints, or what it says on stderr."""
    os.makedirs(f"{folder}/state", exist_ok=True)
    environment = os.environ | {"CLICKHOUSE_URL": f"http://127.0.0.1:{port}", "CLICKHOUSE_USER": user, "CLICKHOUSE_PASSWORD": user.replace("kalshi_", ""),
                                "BACKUP_TO": f"File:{folder}/data/backups", "STATE_DIRECTORY": f"{folder}/state"}
    done = subprocess.run([str(HERE.parent / "backup" / name), *arguments], env=environment, capture_output=True, text=True, timeout=120)
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines() or [""]
    return lines[-1] if done.returncode == 0 else "failed: " + " ".join(lines)


def way_back(port, folder):
    """What each page of the way back says, as the users it names: what is wrong."""
    taken = script(port, "kalshi_backup", folder, "backup.sh", "--full")
    if not taken.startswith("backup=kalshi-"):
        yield f"kalshi_backup cannot make a backup: {taken}"
        return
    if not os.path.getsize(f"{folder}/state/last-success"):
        yield "a backup leaves no word that it was made"
    name = taken.split()[0].removeprefix("backup=")
    refused = script(port, "kalshi_backup", folder, "restore.sh", name, "kalshi_restored")
    if "ACCESS_DENIED" not in refused:
        yield f"kalshi_backup may restore, or fails otherwise: {refused}"
    restored = script(port, "admin", folder, "restore.sh", name, "kalshi_restored")
    if restored != "trades\t1":
        yield f"the administrator cannot restore: {restored}"
    request = urllib.request.Request(f"http://127.0.0.1:{port}/?database=kalshi", b"SELECT * FROM trades FORMAT Parquet",
                                     {"X-ClickHouse-User": "researcher", "X-ClickHouse-Key": "researcher"})
    pathlib.Path(f"{folder}/part-1.parquet").write_bytes(urllib.request.urlopen(request, timeout=60).read())
    ask(port, "admin", "DROP TABLE kalshi_restored.trades")
    ask(port, "admin", "CREATE TABLE kalshi_restored.trades AS kalshi.trades")
    os.environ["CLICKHOUSE_DATABASE"] = "kalshi_restored"
    loaded = [script(port, "admin", folder, "load-archive.sh", "trades", f"{folder}/part-1.parquet") for _ in range(2)]
    del os.environ["CLICKHOUSE_DATABASE"]
    held = ask(port, "admin", "SELECT count() FROM kalshi_restored.trades FINAL")
    if held != "1" or loaded != ["loaded 1 files into kalshi_restored.trades"] * 2:
        yield f"the administrator cannot load the archive: {loaded}, {held} rows"


def tries(folder):
    """User, statement, what the answer begins with."""
    # A gatherer's server first: it has the same names in the same database.
    yield "kalshi_gatherer", "CREATE DATABASE IF NOT EXISTS kalshi", ""
    for _ in range(2):
        for statement in statements("shared", "gatherer"):
            yield "kalshi_gatherer", statement, ""
    # Everything that grows with the feed ends by itself.
    yield "kalshi_gatherer", "SELECT arraySort(groupArray(name)) FROM system.tables WHERE database = 'kalshi' AND create_table_query NOT LIKE '% TTL %'", "['sink_cursor']"
    day = "INSERT INTO trades (market_ticker, trade_id, ts, ingest_ts) VALUES ('M', generateUUIDv4(), now() - INTERVAL {0} DAY, now() - INTERVAL {0} DAY)"
    yield "kalshi_gatherer", day.format(9), ""
    yield "kalshi_gatherer", day.format(5), ""
    yield "kalshi_gatherer", "INSERT INTO orderbook_events (market_ticker, ts, ingest_ts) VALUES ('M', now() - INTERVAL 9 DAY, now() - INTERVAL 9 DAY)", ""
    yield "kalshi_gatherer", "INSERT INTO orderbook_events (market_ticker, ts, ingest_ts) VALUES ('M', now() - INTERVAL 5 DAY, now() - INTERVAL 5 DAY)", ""
    for table in ("trades", "orderbook_events"):
        yield "admin", f"OPTIMIZE TABLE {table} FINAL", ""
        yield "kalshi_gatherer", f"SELECT count(), min(ts) > now() - INTERVAL 6 DAY FROM {table}", "1\t1"
    yield "admin", "DROP DATABASE kalshi SYNC", ""
    yield "kalshi_deduplicator", "CREATE DATABASE IF NOT EXISTS kalshi", ""
    for statement in statements("shared", "canonical"):
        yield "kalshi_deduplicator", statement, ""
    gap = "INSERT INTO gaps (market_ticker, cause, repaired_by) VALUES ('M', 'c', '')"
    yield "kalshi_deduplicator", gap, ""
    yield "kalshi_deduplicator", "SELECT value FROM system.settings WHERE name = 'async_insert'", "0"
    yield "kalshi_deduplicator", "SELECT value FROM system.merge_tree_settings WHERE name = 'fsync_after_insert'", "1"
    yield "kalshi_deduplicator", "DROP TABLE gaps", "Code: 497"
    yield "kalshi_gatherer", "CREATE DATABASE other", "Code: 497"
    yield "researcher", "SELECT count() FROM gaps", "1"
    yield "researcher", gap, "Code: 497"
    yield "researcher", "SELECT 1 SETTINGS max_threads = 16", "Code: 452"
    yield "researcher", "SELECT * FROM system.processes", "Code: 497"
    yield "kalshi_backup", gap, "Code: 497"
    yield "kalshi_deduplicator", "INSERT INTO trades (market_ticker, ts) VALUES ('M', now())", ""
    # What the server's users.xml says of its user, no password, is gone; its password is the administrator's, and it may everything.
    yield "admin", "SELECT currentUser(), length(auth_type) FROM system.users WHERE name = currentUser()", "admin\t1"
    yield "admin", "CREATE DATABASE other", ""
    yield "admin", "SELECT has(host_ip, '10.0.0.0/16') FROM system.users WHERE name = 'researcher'", "1"


def main():
    folder = tempfile.mkdtemp(prefix="kalshi-clickhouse-")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    files(folder, port)
    child = os.fork()
    if child == 0:
        log = os.open(f"{folder}/log", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        host(folder, port)
    wrong, count = [], 0
    try:
        end = time.time() + 90
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5)
                break
            except OSError:
                if time.time() > end:
                    sys.exit("the engine did not start:\n" + pathlib.Path(f"{folder}/log").read_text()[-3000:])
                time.sleep(0.2)
        for user, statement, expected in tries(folder):
            count += 1
            answer = ask(port, user, statement)
            fits = not answer.startswith("Code") if expected is None else answer == "" if expected == "" else answer.startswith(expected)
            if not fits:
                wrong.append(f"{user}: {' '.join(statement.split())[:90]}: {answer!r}, not {expected!r}")
        for user in ("researcher", "admin"):
            for password in ("wrong", " "):
                if not ask(port, user, "SELECT 1", password).startswith("Code: 516"):
                    wrong.append(f"{user}: a wrong password is taken")
        wrong += way_back(port, folder)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        shutil.rmtree(folder, ignore_errors=True)
    for text in wrong:
        print(f"problem: {text}", file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"ClickHouse's files: {count + 4} statements as six users, both kinds of migrations included, each allowed or refused as it should be; "
          "backup, restore and load-archive as the users that do it")


if __name__ == "__main__":
    main()
