#!/usr/bin/env python3
"""Checks what no tool checks: that every setting named in deploy/ and terraform/ is one that the programs know, that the ClickHouse
configuration lets nobody in from everywhere, that files which must agree do, and what the machine's own word to CloudWatch is.

    deploy/check.py
"""
import fnmatch
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
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
    # gap-recovery reads the deduplicator's file too.
    aws = {"AWS_REGION"} | settings("gap-recovery")
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
    units(plan)
    shipped(plan)
    containers(compose, docker)
    tells()
    for text in PROBLEMS:
        print(f"problem: {text}", file=sys.stderr)
    if PROBLEMS:
        sys.exit(1)
    print(f"settings: {len(gatherer | deduplicator)} known, all that are named exist; ClickHouse: every user has a password and a network; "
          "units, image, release and first boot agree; the word to CloudWatch is right")


def clickhouse():
    server = ElementTree.parse(HERE / "clickhouse/config.d/kalshi.xml").getroot()
    for host in server.iter("listen_host"):
        if (host.text or "") in ("::", "0.0.0.0"):
            PROBLEMS.append("clickhouse/config.d: listens on every address")
    users = ElementTree.parse(HERE / "clickhouse/users.d/kalshi.xml").getroot()
    for replaced in users.iterfind(".//*[@replace]"):
        if replaced.find(".//*[@remove]") is not None:
            PROBLEMS.append(f"clickhouse/users.d: <{replaced.tag} replace> is taken as it is written: `remove` in it removes nothing")
    text = "".join((HERE / f"clickhouse/{part}.d/kalshi.xml").read_text() for part in ("users", "config"))
    asked = set(re.findall(r'from_env="(\w+)"', text))
    if asked != set(re.findall(r"^(KALSHI_\w+)=", (HERE / "env/clickhouse.env").read_text(), re.M)):
        PROBLEMS.append("env/clickhouse.env names other variables than ClickHouse's configuration")
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


def units(plan):
    """Users, folders and mounts of the units."""
    users = dict(re.findall(r"^u (\S+) +(\S+) ", (HERE / "systemd/sysusers.conf").read_text(), re.M))
    if not all(number.isdigit() for number in users.values()) or len(set(users.values())) != len(users):
        PROBLEMS.append("sysusers.conf: each user has a number of its own, or a volume's files change hands with the image")
    agent = json.loads((HERE / "logs/cloudwatch-agent.json").read_text())
    patterns = [file["file_path"] for file in agent["logs"]["logs_collected"]["files"]["collect_list"]]
    for unit in sorted(HERE.glob("systemd/kalshi-*.service")):
        text = unit.read_text()
        value = lambda name: (re.search(rf"^{name}=(.*)$", text, re.M) or [None, None])[1]  # noqa: E731, B023
        if value("User") and value("User") not in users:
            PROBLEMS.append(f"{unit.name}: nobody makes user {value('User')}")
        state = value("StateDirectory")
        if state and value("RequiresMountsFor") != f"/var/lib/{state}":
            PROBLEMS.append(f"{unit.name}: it may start before its data volume is mounted")
        name = unit.stem.removeprefix("kalshi-")
        if name not in ("gatherer", "deduplicator"):
            continue
        folders = dict(re.findall(r"\b(DATA_DIR|LOG_DIR)=(\S+)", text))
        if folders != {"DATA_DIR": f"/var/lib/{state}", "LOG_DIR": f"/var/log/{value('LogsDirectory')}"}:
            PROBLEMS.append(f"{unit.name}: {folders} are not the folders that systemd makes for it")
        # As service/src/logs.rs names them: PROGRAM.DATE.log.
        if not any(fnmatch.fnmatch(f"{folders.get('LOG_DIR')}/{name}.2026-11-21.log", pattern) for pattern in patterns):
            PROBLEMS.append(f"logs/cloudwatch-agent.json: no pattern is that of {name}'s files")
    data = [re.search(r"\bDATA_DIR *= *\"?([^\s\"]+)", text)[1] for text in
            ((HERE / "systemd/kalshi-deduplicator.service").read_text(), (HERE / "env/deduplicator.env").read_text(), plan)]
    if len(set(data)) != 1:
        PROBLEMS.append(f"DATA_DIR of the unit, of deduplicator.env and of terraform differ: {data}")
    teller = re.sub(r"^#.*$", "", (HERE / "systemd/kalshi-tell-health.service").read_text(), flags=re.M)
    for word in re.findall(r"^(DynamicUser|User|NoNewPrivileges|SystemCall\w+|Restrict\w+|Protect\w+|Private\w+|Lock\w+|Memory\w+)=", teller, re.M):
        PROBLEMS.append(f"kalshi-tell-health.service: with {word}= the AWS command, a snap, may not start")


def shipped(plan):
    """What a machine's first boot takes from the release is in it; what pages call is installed."""
    boot = (ROOT / "terraform/modules/plan/templates/user-data.sh.tftpl").read_text()
    release = (HERE / "release.sh").read_text()
    both = boot.replace("${role}", "gatherer") + boot.replace("${role}", "deduplicator")
    for path in sorted(set(re.findall(r"(?<![\w/])deploy/[\w./*-]+", both))):
        if not list(ROOT.glob(path)):
            PROBLEMS.append(f"user-data installs {path}, which is not there")
    programs = set(re.search(r"^programs=\((.*)\)$", release, re.M)[1].split())
    for name in sorted(set(re.findall(r"(?<![\w/])bin/([a-z-]+)", both))):
        if name not in programs:
            PROBLEMS.append(f"user-data installs bin/{name}, which release.sh does not ship")
    for name in programs:
        if name.removeprefix("kalshi-") not in re.findall(r"--package (\S+)", release):
            PROBLEMS.append(f"release.sh ships {name} and does not build it")
    pages = "".join(page.read_text() for page in ROOT.glob("runbooks/*.md"))
    for name in sorted(set(re.findall(r"/usr/local/lib/kalshi-capture/([\w.-]+)", pages))):
        if not [*HERE.glob(f"backup/{name}"), *HERE.glob(f"health/{name}"), *HERE.glob(name)]:
            PROBLEMS.append(f"runbooks use {name}, which nothing installs")
    for address in re.findall(r"-(?:replace|target)='([^']*)'", pages + (ROOT / "terraform/README.md").read_text()):
        if not address.startswith("module.capture."):
            PROBLEMS.append(f"-replace='{address}': examples/production calls the module `capture`")
    ops = set(re.findall(r"^([A-Z_]+)=", (HERE / "env/ops.env").read_text(), re.M)) - {"ADMIN_TOKEN"}
    made = set(re.findall(r"^    ([A-Z_]+) +=", re.search(r"\n  ops = \{(.*?)\n  \}\) \}\n", plan, re.S)[1], re.M))
    if ops != made:
        PROBLEMS.append(f"env/ops.env and terraform's ops.env name different things: {sorted(ops ^ made)}")


def containers(compose, docker):
    """A volume on a folder that the image lacks would be root's, and the programs are not root."""
    made = set(re.search(r"install --directory --owner=10001 .*?((?: /\S+)+)\n", docker)[1].split())
    for service in re.findall(r"^  ((?:gatherer|deduplicator)\S*):\n((?:    .*\n)+)", compose, re.M):
        for volume in re.findall(r'"[a-z]+:(/[^":]+)"', "".join(re.findall(r"volumes: .*", service[1]))):
            if volume not in made:
                PROBLEMS.append(f"compose.yml, {service[0]}: the image does not make {volume} for its user")


def tells():
    """tell-health.sh, with another AWS command and another program: what it says, and of a failed backup."""
    with tempfile.TemporaryDirectory() as folder:
        def stub(name, text):
            file = pathlib.Path(folder, name)
            file.write_text(f"#!/bin/sh\n{text}\n")
            file.chmod(0o755)
        stub("aws", 'printf "%s\\n" "$@"')
        settings_file = pathlib.Path(folder, "backup.env")
        settings_file.touch()
        environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "NODE": "deduplicator", "ROLE": "deduplicator", "HEALTH_ADDR": "a:1",
                                    "AWS_REGION": "r", "DATA_VOLUME": folder, "BACKUP_STATE": folder, "BACKUP_SETTINGS": str(settings_file)}
        of = "Dimensions=[{Name=Node,Value=deduplicator}]"
        for code, hours, made in ((0, 0, None), (1, 0, None), (0, 31, 31)):
            stub("kalshi-deduplicator", f"exit {code}")
            if made is not None:
                file = pathlib.Path(folder, "last-success")
                file.touch()
                os.utime(file, (time.time() - made * 3600 - 60,) * 2)
            said = subprocess.run([str(HERE / "health/tell-health.sh")], env=environment, capture_output=True, text=True, timeout=30)
            for line in (f"MetricName=NotHealthy,{of},Value={code}", f"MetricName=BackupAgeHours,{of},Value={hours}"):
                if said.returncode or line not in said.stdout.splitlines():
                    PROBLEMS.append(f"tell-health.sh does not say {line}: {said.stdout}{said.stderr}")


if __name__ == "__main__":
    main()
