#!/usr/bin/env python3
"""Runs every command of the runbooks that is marked ```sh run, page by page, against a live demo.

    runbooks/run.py [PAGE...]        DEMO=path/to/demo to use a built one

A page's blocks run in one shell that stops at the first failure, with deploy/ops.sh loaded and the names of deploy/env/ops.env set
to the demo's addresses. Every page is checked for commands of another database and for links that lead nowhere.
"""
import concurrent.futures
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "deploy"), str(ROOT / "deploy/backup")]
import archive_test  # noqa: E402
from demo import Demo, command, get  # noqa: E402

BLOCK = re.compile(r"^```sh run\n(.*?)^```", re.M | re.S)
PAGE_SECONDS = 240
ADMIN_TOKEN = "the-runbooks-own-token"
# docs/metrics.md is compared with the running programs by a test; histograms have three series each.
METRICS = {
    name + part
    for name in re.findall(r"^\| `([a-z][a-z0-9_]+)`", (ROOT / "docs/metrics.md").read_text(), re.M)
    for part in ("", "_sum", "_count", "_bucket")
}


def exchange(demo):
    """Where the simulated exchange listens."""
    return pathlib.Path(f"{demo.folder}/ports/exchange.json").read_text().strip()


def logs(demo, work):
    """The programs' logs by the names that LOG_DIR gives them; of the gatherers, that of east."""
    folder = pathlib.Path(work) / "logs"
    folder.mkdir()
    for program, name in (("gatherer", "east"), ("deduplicator", "deduplicator")):
        (folder / f"{program}.demo.log").symlink_to(f"{demo.folder}/logs/{name}.log")
    return str(folder)


def environment(demo, work):
    east, deduplicator = demo.addresses["east"], demo.addresses["deduplicator"]
    gatherers = [to for name, to in demo.addresses.items() if name != "deduplicator"]
    names = {
        "DEDUPLICATOR_HTTP": f"http://{deduplicator['http']}",
        "DEDUPLICATOR_METRICS": f"http://{deduplicator['metrics']}",
        "GATHERER_HTTP": f"http://{east['http']}",
        "GATHERER_METRICS": f"http://{east['metrics']}",
        "GATHERERS_HTTP": " ".join(f"http://{to['http']}" for to in gatherers),
        "GATHERERS_METRICS": " ".join(f"http://{to['metrics']}" for to in gatherers),
        "CLICKHOUSE": f"{deduplicator['clickhouse']}/?database=kalshi",
        "GATHERER_CLICKHOUSE": f"{east['clickhouse']}/?database=kalshi",
        "GATHERER_DATA": f"{demo.folder}/east/data",
        "DEDUPLICATOR_DATA": f"{demo.folder}/deduplicator/data",
        "PARQUET_DIR": demo.parquet,
        "ADMIN_TOKEN": ADMIN_TOKEN,
        "REST_URL": f"https://{exchange(demo)}/trade-api/v2",
        "LOG_DIR": logs(demo, work),
    }
    documented = set(re.findall(r"^([A-Z_]+)=", (ROOT / "deploy/env/ops.env").read_text(), re.M))
    if documented != set(names):
        sys.exit(f"deploy/env/ops.env and this test name different things: {sorted(documented ^ set(names))}")
    more = {"DEPLOY": str(ROOT / "deploy"), "WORK": work, "CLICKHOUSE_URL": deduplicator["clickhouse"],
            "CURL_CA_BUNDLE": f"{demo.folder}/exchange/ca.pem"}
    return os.environ | names | more


def written_wrong(page):
    """What can be said of a page without running it."""
    text = page.read_text()
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in link and not (page.parent / link).exists():
            yield f"links to {link}, which is not there"
    for names in re.findall(r'metrics "[^"]+" "([^"]+)"', text):
        for name in names.split("|"):
            if name not in METRICS:
                yield f"no program exports {name}"
    for foreign in ("pg_stat", "SHOW PROCESSLIST", "information_schema.processlist"):
        if foreign in text:
            yield f"{foreign} is not ClickHouse's"
    for block in re.findall(r"^```(?!sh|$)(.*)$", text, re.M):
        yield f"a fence of kind {block!r}"


def run(page, env):
    """The page's name, how many blocks ran, and what failed."""
    blocks = BLOCK.findall(page.read_text())
    script = "\n".join(f"echo '-- block {number}'\n{block}" for number, block in enumerate(blocks, 1))
    shell = ["bash", "-euo", "pipefail", "-c", f". '{ROOT}/deploy/ops.sh'\n{script}"]
    try:
        done = subprocess.run(shell, env=env, capture_output=True, text=True, timeout=PAGE_SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return page.name, 0, "did not end within its time"
    if done.returncode:
        return page.name, 0, f"exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-2000:]}"
    return page.name, len(blocks), None


class Systemd:
    """Listens where the programs believe systemd to be: each must say that it is ready, that it works, and that it stops."""

    def __init__(self, folder):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = os.path.join(folder, "notify")
        self.socket.bind(path)
        os.environ |= {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "2000000"}
        self.heard = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            word = self.socket.recv(4096).decode()
            self.heard[word] = self.heard.get(word, 0) + 1

    def wrong(self, programs, seconds):
        heard = dict(self.heard)
        if heard.get("READY=1") != programs or heard.get("STOPPING=1") != programs:
            yield f"systemd heard {heard}; each of {programs} programs must say READY=1 and STOPPING=1 once"
        # Twice within two seconds and program is once a second; a loaded machine may be late, not silent.
        if heard.get("WATCHDOG=1", 0) < programs * seconds / 3:
            yield f"systemd heard {heard.get('WATCHDOG=1', 0)} signs of life of {programs} programs in {seconds:.0f} s"


def main():
    pages = sorted(HERE.glob("*.md"))
    problems = [f"{page.name}: {what}" for page in pages for what in written_wrong(page)]
    wanted = [page for page in pages if not sys.argv[1:] or page.stem in sys.argv[1:]]
    count = 0
    ears = tempfile.TemporaryDirectory()
    systemd = Systemd(ears.name)
    folder = f"{ears.name}/data"
    demo = Demo(command(), "--rate", "400", "--markets", "60", "--data", folder, "--admin-token", ADMIN_TOKEN, "--log-format", "json")
    try:
        demo.wait_until_up()
        begun = time.time()
        wait_for_rows(demo)
        with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(3) as pool:
            env = environment(demo, work)
            for name, blocks, failed in pool.map(lambda page: run(page, env), wanted):
                count += blocks
                if failed:
                    problems.append(f"{name}: {failed}")
        lived = time.time() - begun
    finally:
        demo.stop()
    problems += systemd.wrong(len(demo.addresses), lived)
    if "DEMO" in os.environ:
        problems += archive_test.problems(os.environ["DEMO"], folder, demo.parquet)
    else:
        problems.append("set DEMO to the built demo: the archive's test starts its engine again")
    ears.cleanup()
    for problem in problems:
        print(f"problem: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)
    print(f"runbooks: {count} blocks of {len(wanted)} pages ran against a live demo; systemd would have heard {systemd.heard}")


def wait_for_rows(demo, limit=180):
    """Pages ask for what the tables hold: until the counts of the first minutes are there."""
    end = time.time() + limit
    url = demo.addresses["deduplicator"]["clickhouse"]
    ask = "/?database=kalshi&query=SELECT%20(SELECT%20count()%20FROM%20orderbook_events)%20*%20(SELECT%20count()%20FROM%20lane_minutes)"
    while time.time() < end:
        try:
            if int(get(url + ask).strip()) > 0:
                return
        except (OSError, ValueError):
            pass
        time.sleep(1)
    demo.stop()
    sys.exit("no rows came")


if __name__ == "__main__":
    main()
