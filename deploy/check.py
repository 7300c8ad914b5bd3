#!/usr/bin/env python3
"""Checks what no tool checks: that every setting named in deploy/ and terraform/ is one that the programs know, and that the
ClickHouse configuration lets nobody in from everywhere.

    deploy/check.py
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PROBLEMS = []


def settings(program):
    """Environment variables in a program's --help, read from where they are declared."""
    return set(re.findall(r'env = "([A-Z_]+)"', (ROOT / program / "src/args.rs").read_text()))


def known(where, names, allowed):
    for name in sorted(set(names) - allowed):
        PROBLEMS.append(f"{where}: {name} is no setting")


def main():
    gatherer, deduplicator = settings("gatherer"), settings("deduplicator")
    aws = {"AWS_REGION"}
    names = lambda text: re.findall(r"^\s*([A-Z][A-Z_]+)=", text, re.M)  # noqa: E731
    known("env/gatherer.env", names((HERE / "env/gatherer.env").read_text()), gatherer)
    known("env/deduplicator.env", names((HERE / "env/deduplicator.env").read_text()), deduplicator | aws)
    for program, allowed in (("gatherer", gatherer), ("deduplicator", deduplicator)):
        unit = (HERE / f"systemd/kalshi-{program}.service").read_text()
        for line in re.findall(r"^Environment=(.*)$", unit, re.M):
            known(f"kalshi-{program}.service", re.findall(r"(\w+)=", line), allowed)
        if "Type=notify" not in unit or "WatchdogSec=" not in unit:
            PROBLEMS.append(f"kalshi-{program}.service: readiness and watchdog are not asked for")
    compose = (HERE / "docker/compose.yml").read_text()
    servers = {"CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT", "CLICKHOUSE_MEMORY"}
    inside = re.findall(r"^\s+([A-Z][A-Z_]+): ", compose, re.M)
    known("compose.yml", [name for name in inside if not name.startswith("GF_")], gatherer | deduplicator | servers)
    docker = (HERE / "docker/Dockerfile").read_text()
    known("Dockerfile", [name for line in re.findall(r"^ENV (.*)$", docker, re.M) for name in re.findall(r"(\w+)=", line)], gatherer | deduplicator)
    plan = (ROOT / "terraform/modules/plan/main.tf").read_text()
    for program, allowed in (("gatherer", gatherer), ("deduplicator", deduplicator | aws)):
        block = re.search(rf"{program}_environment = \{{(.*?)\n  \}}", plan, re.S)[1]
        known(f"terraform, {program}", re.findall(r"^\s+([A-Z][A-Z_]+) +=", block, re.M), allowed)
    clickhouse()
    json.loads((HERE / "logs/cloudwatch-agent.json").read_text())
    for text in PROBLEMS:
        print(f"problem: {text}", file=sys.stderr)
    if PROBLEMS:
        sys.exit(1)
    print(f"settings: {len(gatherer | deduplicator)} known, all that are named exist; ClickHouse: every user has a password and a network")


def clickhouse():
    server = ElementTree.parse(HERE / "clickhouse/config.d/kalshi.xml").getroot()
    for host in server.iter("listen_host"):
        if (host.text or "") in ("::", "0.0.0.0"):
            PROBLEMS.append("clickhouse/config.d: listens on every address")
    users = ElementTree.parse(HERE / "clickhouse/users.d/kalshi.xml").getroot()
    for user in users.find("users"):
        if user.find("password_sha256_hex") is None:
            PROBLEMS.append(f"clickhouse user {user.tag} has no password")
        networks = [address.text for address in user.findall("networks/ip")]
        if not networks or any(address in ("::/0", "0.0.0.0/0") for address in networks):
            PROBLEMS.append(f"clickhouse user {user.tag} may come from anywhere")
        grants = [grant.text for grant in user.findall("grants/query")]
        if user.tag != "default" and (not grants or any("ALL" in grant for grant in grants)):
            PROBLEMS.append(f"clickhouse user {user.tag} has more rights than it needs")
    ElementTree.parse(HERE / "docker/clickhouse.xml")


if __name__ == "__main__":
    main()
