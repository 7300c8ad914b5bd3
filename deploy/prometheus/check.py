#!/usr/bin/env python3
"""Checks the alert rules and dashboards: syntax, that every metric is one the programs export, that every alert has a runbook and
a test, and the tests themselves, by promtool, on recorded series.

    deploy/prometheus/check.py PROMTOOL [AMTOOL]
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# What Prometheus itself makes.
FROM_PROMETHEUS = {"up"}
STEP = 15
PROBLEMS = []


def main():
    promtool, amtool = sys.argv[1], sys.argv[2:3]
    rules = {file: yaml.safe_load(file.read_text()) for file in sorted(HERE.glob("rules/*.yml"))}
    run(promtool, "check", "config", str(HERE / "prometheus.yml"))
    for tool in amtool:
        run(tool, "check-config", str(HERE / "alertmanager.yml"))
    alerts = [rule for content in rules.values() for group in content["groups"] for rule in group["rules"]]
    exported = documented()
    for alert in alerts:
        know(f"alert {alert['alert']}", alert["expr"], exported)
    panels = 0
    for file in sorted(HERE.parent.glob("grafana/dashboards/*.json")):
        for title, expr in expressions(json.loads(file.read_text())):
            panels += 1
            know(f"{file.name}, {title!r}", expr, exported)
    runbooks(alerts)
    cases = yaml.safe_load((HERE / "cases.yml").read_text())
    names = {alert["alert"] for alert in alerts}
    tested = {name for case in cases["cases"] + cases["recorded"] for name in case["fires"]}
    for name in sorted(names - tested):
        problem(f"alert {name}: no case in cases.yml makes it fire")
    for name in sorted(tested - names):
        problem(f"cases.yml names {name}, which is no alert")
    inhibited(names)
    count = tests(promtool, cases, rules)
    for text in PROBLEMS:
        print(f"problem: {text}", file=sys.stderr)
    if PROBLEMS:
        sys.exit(1)
    print(f"alerts: {len(names)}, each with a runbook and a test; {count} promtool tests on {len(cases['recorded'])} recordings; "
          f"{panels} dashboard queries; {len(exported)} exported metrics known")


def problem(text):
    PROBLEMS.append(text)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        problem(f"{' '.join(command[:3])}:\n{done.stdout}{done.stderr}")


def documented():
    """Names in docs/metrics.md, which a test compares with the running programs."""
    page = ROOT / "docs" / "metrics.md"
    names = set(re.findall(r"^\| `([a-z][a-z0-9_]+)`", page.read_text(), re.M))
    return names | {f"{name}_{part}" for name in names for part in ("bucket", "sum", "count")} | FROM_PROMETHEUS


def know(where, expr, exported):
    """Metric names of an expression: what is neither label, string, function nor keyword."""
    bare = re.sub(r'"[^"]*"|#.*', "", expr)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    bare = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", "", bare)
    words = re.findall(r"\b[a-z_][a-z0-9_]*\b(?!\s*\()", bare)
    for word in words:
        if word in {"and", "or", "unless", "by", "on", "bool", "offset", "group_left", "group_right", "e"}:
            continue
        if word not in exported:
            problem(f"{where}: no program exports {word}")


def expressions(dashboard):
    for panel in dashboard.get("panels", []):
        yield from expressions(panel)
        for target in panel.get("targets", []):
            yield panel.get("title", "?"), target["expr"]
    for variable in dashboard.get("templating", {}).get("list", []):
        match = re.match(r"label_values\((\w+)", str(variable.get("query", "")))
        if match:
            yield f"variable {variable['name']}", match[1]


def runbooks(alerts):
    for alert in alerts:
        wanted = f"runbooks/{alert['alert']}.md"
        if alert["annotations"].get("runbook_url") != wanted:
            problem(f"alert {alert['alert']}: runbook_url is not {wanted}")
        elif not (ROOT / wanted).is_file():
            problem(f"{wanted} is missing")
        else:
            text = (ROOT / wanted).read_text()
            for part in ("## Symptoms", "## Diagnosis", "## Resolution", "## Verification"):
                if part not in text:
                    problem(f"{wanted} has no part {part!r}")


def inhibited(names):
    """Alertmanager would take a misspelt alert name without a word."""
    text = (HERE / "alertmanager.yml").read_text()
    for group in re.findall(r'alertname=~?"([^"]+)"', text):
        for name in group.split("|"):
            if name not in names:
                problem(f"alertmanager.yml names {name}, which is no alert")


def recorded(name):
    """The interval in seconds and the series of a recording."""
    series, every = {}, 5
    for line in (HERE / "recorded" / f"{name}.txt").read_text().splitlines():
        if line.startswith("# every "):
            every = int(line.split()[2])
        elif not line.startswith("#"):
            key, values = line.split("\t")
            series[key] = [None if value in ("_", "NaN") else float(value) for value in values.split()]
    return every, series


def number(value):
    return repr(int(value)) if value == int(value) else f"{value:.9f}"


def replay(case):
    """A recording as it was taken; the alerts that fire at its end."""
    every, series = recorded(case["recording"])
    length = len(next(iter(series.values())))
    inputs = [{"series": key, "values": " ".join("_" if value is None else number(value) for value in values)}
              for key, values in series.items()]
    return group(case, every, inputs, (length - 1) * every)


def continued(case, calm, machine):
    """The calm recording going on as it was, for `minutes`, with the failures that the case makes up.

    A counter goes on at its mean rate, everything else stays at its last value."""
    every, series = calm
    minutes = case.get("minutes", 20)
    steps = minutes * 60 // STEP
    # The case's own changes come first.
    changes = case["change"] | machine
    used, inputs = set(machine), []
    for key, values in series.items():
        known = [value for value in values if value is not None]
        change = next((pattern for pattern in changes if matches(pattern, key)), None)
        if change is not None:
            used.add(change)
            text = str(changes[change])
            if text == "absent":
                continue
            inputs.append({"series": key, "values": text.replace("LAST", number(known[-1]))})
            continue
        counts = re.match(r"\w+_(total|bucket|count|sum)\{", key)
        slope = max(0.0, (known[-1] - known[0]) / max(1, len(known) - 1) * STEP / every) if counts else 0.0
        inputs.append({"series": key, "values": f"{number(known[-1])}+{slope:.6f}x{steps}"})
    for pattern in changes:
        if pattern not in used:
            if "=" in pattern:
                inputs.append({"series": pattern, "values": str(changes[pattern]).replace("LAST", "0")})
            else:
                problem(f"case {case['name']!r}: no recorded series is like {pattern}")
    return group(case, STEP, inputs, minutes * 60)


def matches(pattern, key):
    """Whether a recorded series has the name and all the labels of a pattern such as `up{job="gatherer"}`."""
    name, _, labels = pattern.partition("{")
    return key.startswith(name + "{") and all(label in key for label in re.findall(r'\w+="[^"]*"', labels))


def group(case, every, inputs, at):
    """Exactly these alerts fire, no other."""
    expected = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(case["fires"])]
    expr = 'count by (alertname) (group by (alertname) (ALERTS{alertstate="firing"}))'
    return {
        "name": case["name"], "interval": f"{every}s", "input_series": inputs,
        "promql_expr_test": [{"expr": expr, "eval_time": f"{at}s", "exp_samples": expected}],
    }


def tests(promtool, cases, rules):
    calm = recorded("calm")
    asked = set(re.findall(r"[a-z_]+", json.dumps(list(rules.values()))))
    groups = [replay(case) for case in cases["recorded"]]
    groups += [continued(case, calm, cases["machine"]) for case in cases["cases"]]
    # Series that no rule asks for would only cost time.
    for one in groups:
        one["input_series"] = [series for series in one["input_series"] if series["series"].split("{")[0] in asked]
    played = len(cases["recorded"])
    # Recordings are judged as often as in production; the made-up cases last longer, and once a minute is often enough.
    for every, some in (("15s", groups[:played]), ("60s", groups[played:])):
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for file in rules:
                copy = pathlib.Path(folder) / file.name
                copy.write_text(file.read_text().replace("interval: 15s", f"interval: {every}"))
                files.append(str(copy))
            # JSON is YAML, and written and read many times faster.
            test = pathlib.Path(folder) / "tests.json"
            test.write_text(json.dumps({"rule_files": files, "evaluation_interval": every, "tests": some}))
            run(promtool, "test", "rules", str(test))
    return len(groups)


if __name__ == "__main__":
    main()
