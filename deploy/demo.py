"""Runs a demo and knows where its programs listen; used by the recorder of metrics and by the runbooks' test."""
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request


class Demo:
    """`cargo demo` for a while; `addresses` maps a program's name to what the demo printed for it."""

    def __init__(self, command, *flags):
        self.lines, self.addresses = [], {}
        self.parquet = self.folder = None
        self.process = subprocess.Popen(
            [*command, *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            row = re.match(r"(\w+)\s+health http://(\S+)/health\s+metrics http://(\S+)/metrics\s+ClickHouse (\S+)/play", line)
            if row:
                name, http, metrics, clickhouse = row.groups()
                self.addresses[name] = {"http": http, "metrics": metrics, "clickhouse": clickhouse}
            if line.startswith("everything is kept in "):
                self.folder = line.split(" in ", 1)[1].strip()
            if line.startswith("Parquet "):
                self.parquet = line.split(None, 1)[1].strip()

    def wait_until_up(self, limit=400):
        """Returns when all addresses are known and the deduplicator says that it is ready."""
        end = time.time() + limit
        while time.time() < end:
            if self.process.poll() is not None:
                raise SystemExit("the demo ended:\n" + "\n".join(self.lines[-30:]))
            if self.parquet and "deduplicator" in self.addresses:
                try:
                    get(f"http://{self.addresses['deduplicator']['http']}/ready")
                    return
                except OSError:
                    pass
            time.sleep(0.2)
        raise SystemExit("the demo did not come up:\n" + "\n".join(self.lines[-30:]))

    def children(self):
        """Process ids of what the demo started, by name: east, east-clickhouse, ..., deduplicator, deduplicator-clickhouse."""
        wanted = {"__gatherer": "", "__deduplicator": "", "__clickhouse": "-clickhouse"}
        found = {}
        for pid in subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split():
            try:
                args = open(f"/proc/{pid}/cmdline").read().split("\0")
                env = open(f"/proc/{pid}/environ").read().split("\0")
            except OSError:
                continue
            kind = next((arg for arg in args if arg in wanted), None)
            if kind == "__clickhouse":
                data = args[args.index("--data") + 1]
                found[os.path.basename(os.path.dirname(data)) + "-clickhouse"] = int(pid)
            elif kind == "__gatherer":
                found[next(e.split("=", 1)[1] for e in env if e.startswith("GATHERER_ID="))] = int(pid)
            elif kind == "__deduplicator":
                found["deduplicator"] = int(pid)
        return found

    def family(self, pid):
        """A process and all that it started: an engine is a child of the program that was asked for it."""
        children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
        return [pid, *(descendant for child in children for descendant in self.family(int(child)))]

    def stop(self, limit=120):
        """Asks the demo to end and waits; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise SystemExit("the demo did not stop within its time") from None


def get(url, timeout=5):
    """The body of a page, as text; every failure is an OSError."""
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read().decode()


def command():
    """How to start the demo: DEMO names a binary, else cargo builds and runs it."""
    binary = os.environ.get("DEMO")
    return [binary] if binary else ["cargo", "run", "--quiet", "--package", "demo", "--bin", "demo", "--"]
