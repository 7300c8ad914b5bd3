#!/usr/bin/env python3
"""Checks the dashboards: that Grafana's own schema knows every field and value, that every panel says what it shows and in which
unit, and that no query is tied to one data source. That the metrics exist is `../prometheus/check.py`'s.

    deploy/grafana/check.py        needs grafana-foundation-sdk of the version that deploy/docker/compose.yml runs
"""
import enum
import importlib.metadata
import json
import pathlib
import re
import sys
import types
import typing

from grafana_foundation_sdk.cog import encoder, plugins
from grafana_foundation_sdk.models import dashboard as model

HERE = pathlib.Path(__file__).resolve().parent
PROBLEMS = []
# Of the Prometheus plugin's annotations, not of Grafana's core.
OF_PLUGINS = re.compile(r"\.annotations\.list\[\d+\]\.titleFormat$")


def lost(before, after, at):
    """What a reading and writing by the schema's types has not kept."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            if name not in after:
                # The schema leaves out what says nothing.
                if value is not None and not OF_PLUGINS.search(f"{at}.{name}"):
                    yield f"{at}.{name} is unknown"
            else:
                yield from lost(value, after[name], f"{at}.{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after)):
            yield from lost(one, other, f"{at}[{number}]")
    elif before != after:
        yield f"{at} is {before!r}, read as {after!r}"


def untrue(value, hint, at):
    """Values that are not of the type, or not among the words, that the schema gives them."""
    origin = typing.get_origin(hint)
    if hint is typing.Any or hint is object or isinstance(hint, (str, typing.TypeVar)):
        return
    if origin in (typing.Union, types.UnionType):
        options = typing.get_args(hint)
        found = [list(untrue(value, option, at)) for option in options]
        if all(found):
            # Of the other options none would tell more.
            yield found[0][0]
    elif origin is list and isinstance(value, list):
        for number, one in enumerate(value):
            yield from untrue(one, typing.get_args(hint)[0], f"{at}[{number}]")
    elif origin is dict and isinstance(value, dict):
        for name, one in value.items():
            yield from untrue(one, typing.get_args(hint)[1], f"{at}.{name}")
    elif origin is typing.Literal:
        if value not in typing.get_args(hint):
            yield f"{at} is {value!r}, none of {typing.get_args(hint)}"
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        if value not in [one.value for one in hint]:
            yield f"{at} is {value!r}, none of {[one.value for one in hint]}"
    elif isinstance(hint, type) and hint is float:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            yield f"{at} is {value!r}, not a number"
    elif isinstance(hint, type) and not isinstance(value, hint):
        yield f"{at} is {value!r}, not of type {hint.__name__}"
    if hasattr(value, "__dict__") and not isinstance(value, enum.Enum):
        hints = typing.get_type_hints(type(value))
        for name, one in vars(value).items():
            if name in hints:
                yield from untrue(one, hints[name], f"{at}.{name}")


def by_hand(name, dashboard):
    variables = [one["name"] for one in dashboard["templating"]["list"] if one["type"] == "datasource"]
    titles = [panel.get("title") for panel in dashboard["panels"]]
    if len(set(titles)) != len(titles):
        yield f"{name}: two panels have one title"
    for panel in dashboard["panels"]:
        where = f"{name}, {panel.get('title')!r}"
        if not panel.get("title") or not panel.get("description"):
            yield f"{where}: no title or no description"
        if not panel["fieldConfig"]["defaults"].get("unit"):
            yield f"{where}: no unit"
        for source in [panel["datasource"], *(target["datasource"] for target in panel["targets"])]:
            if source["uid"] not in [f"${{{variable}}}" for variable in variables]:
                yield f"{where}: the data source is no variable"
        at = panel["gridPos"]
        if at["x"] + at["w"] > 24:
            yield f"{where}: wider than the dashboard"
        for page in re.findall(r"\b[Rr]unbooks? ([A-Z]\w+)", panel["description"]):
            if not (HERE.parent.parent / f"runbooks/{page}.md").is_file():
                yield f"{where}: there is no runbook {page}"


def main():
    plugins.register_default_plugins()
    files = sorted(HERE.glob("dashboards/*.json"))
    panels = 0
    for file in files:
        dashboard = json.loads(file.read_text())
        panels += len(dashboard["panels"])
        PROBLEMS.extend(by_hand(file.name, dashboard))
        try:
            read = model.Dashboard.from_json(json.loads(file.read_text()))
        except (KeyError, TypeError, ValueError) as error:
            PROBLEMS.append(f"{file.name}: {error!r}")
            continue
        PROBLEMS.extend(f"{file.name}: no panel is of type {panel.type_val!r}" for panel in read.panels if isinstance(panel.options, dict))
        PROBLEMS.extend(untrue(read, model.Dashboard, file.name))
        again = json.loads(json.dumps(read, cls=encoder.JSONEncoder))
        PROBLEMS.extend(lost(dashboard, again, file.name))
    for text in PROBLEMS:
        print(f"problem: {text}", file=sys.stderr)
    if PROBLEMS or not files:
        sys.exit(1)
    version = importlib.metadata.version("grafana-foundation-sdk")
    print(f"dashboards: {panels} panels of {len(files)} as Grafana's schema {version.split('!')[-1]} has them, each with title, description and unit")


if __name__ == "__main__":
    main()
