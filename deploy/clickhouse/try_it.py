#!/usr/bin/env python3
"""Starts the embedded ClickHouse engine, which is the server's own code, with config.d/kalshi.xml and users.d/kalshi.xml, and tries what
each user may and may not do: the programs' users apply the real migrations.

    deploy/clickhouse/try_it.py     the engine must be in the cache (a demo or the tests fetch it)

Not as in production: the port, no listening on a private address, and `default` without a password (the engine's own session is it).
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
    users = re.sub(r"<default replace=\"1\">.*?</default>", "", users, flags=re.S)
    pathlib.Path(f"{folder}/users.d/kalshi.xml").write_text(users)
    pathlib.Path(f"{folder}/config.xml").write_text(
        f"<clickhouse><path>{folder}/data</path><users_config>{folder}/users.xml</users_config>"
        "<logger><level>error</level><console>1</console></logger></clickhouse>")
    pathlib.Path(f"{folder}/users.xml").write_text(
        "<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users><default><password></password>"
        "<networks><ip>127.0.0.1</ip><ip>::1</ip></networks><profile>default</profile><quota>default</quota></default></users></clickhouse>")


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


def tries(folder):
    """User, statement, what the answer begins with."""
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
    yield "kalshi_backup", f"BACKUP DATABASE kalshi EXCEPT TABLES kalshi.sink_cursor TO File('{folder}/data/backups/try')", None
    yield "kalshi_backup", "SELECT status FROM system.backups", "BACKUP_CREATED"
    yield "kalshi_backup", gap, "Code: 497"


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
        if not ask(port, "researcher", "SELECT 1", password="wrong").startswith("Code: 516"):
            wrong.append("a wrong password is taken")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        shutil.rmtree(folder, ignore_errors=True)
    for text in wrong:
        print(f"problem: {text}", file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"ClickHouse's files: {count + 1} statements as five users, migrations included, each allowed or refused as it should be")


if __name__ == "__main__":
    main()
