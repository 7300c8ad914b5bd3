#!/usr/bin/env python3
"""Records what the programs of a live demo export, as the series that the alert tests are made of.

    deploy/prometheus/record.py            writes recorded/{calm,gatherer-frozen,clickhouse-frozen}.txt

One line a series: its name and labels as Prometheus would store them, a tab, a value for each scrape (`_`: none). The scrape
interval is EVERY seconds; a line `# event N` says at which scrape something was done to the fleet.
"""
import concurrent.futures
import pathlib
import re
import signal
import sys
import time
import os

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from demo import Demo, command, get  # noqa: E402

EVERY = 5
ROW = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
# Histogram buckets of one family are enough to test quantiles; the others would be two thirds of the file.
DROPPED = re.compile(r"^gatherer_stream_batch_seconds_bucket")


def scrape(name, address):
    """One target's series with the labels that prometheus.yml gives them; without an answer only `up 0`."""
    job = "deduplicator" if name == "deduplicator" else "gatherer"
    labels = {"instance": f"{name}:9090", "job": job} | ({} if job == "deduplicator" else {"gatherer": name})
    try:
        text = get(f"http://{address}/metrics", timeout=3)
    except OSError:
        return {series("up", labels): "0"}
    out = {series("up", labels): "1"}
    for line in text.splitlines():
        row = ROW.match(line)
        if row and not DROPPED.match(row[1]):
            own = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', row[2] or ""))
            out[series(row[1], labels | own)] = row[3]
    return out


def series(name, labels):
    inner = ",".join(f'{key}="{labels[key]}"' for key in sorted(labels))
    return f"{name}{{{inner}}}"


def record(file, scrapes, freeze=None, at=4):
    """Runs a demo, scrapes it, and from scrape `at` on holds the named process still, as a hung machine would."""
    demo = Demo(command(), "--rate", "300", "--markets", "40")
    held = []
    seen, events = {}, []
    try:
        demo.wait_until_up()
        time.sleep(15)
        begun = time.time()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for number in range(scrapes):
                time.sleep(max(0, begun + number * EVERY - time.time()))
                if freeze and number == at:
                    held = demo.family(demo.children()[freeze])
                    for pid in held:
                        os.kill(pid, signal.SIGSTOP)
                    events.append(f"# {freeze} is held still from scrape {number}\n")
                jobs = {name: pool.submit(scrape, name, to["metrics"]) for name, to in demo.addresses.items()}
                for job in jobs.values():
                    for key, value in job.result().items():
                        seen.setdefault(key, ["_"] * scrapes)[number] = value
    finally:
        for pid in held:
            os.kill(pid, signal.SIGCONT)
        demo.stop()
    lines = [f"{key}\t{' '.join(values)}\n" for key, values in sorted(seen.items())]
    (HERE / "recorded" / file).write_text(f"# every {EVERY}\n" + "".join(events) + "".join(lines))
    print(f"{file}: {len(lines)} series, {scrapes} scrapes")


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["calm", "gatherer-frozen", "clickhouse-frozen"]
    for what in wanted:
        if what == "calm":
            record("calm.txt", 24)
        elif what == "gatherer-frozen":
            record("gatherer-frozen.txt", 28, freeze="west")
        else:
            record("clickhouse-frozen.txt", 44, freeze="deduplicator-clickhouse")
