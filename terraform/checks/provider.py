#!/usr/bin/env python3
"""A stand-in for the AWS provider that knows its schema and nothing else, so that terraform can check names, arguments and
references, and run tests with mocked resources, where the real one cannot be fetched. It talks to nobody and creates nothing.

    provider.py SCHEMA.json COMMAND...      runs COMMAND with terraform told to use this process as hashicorp/aws

It speaks terraform's plugin protocol 6 over a loopback port, by terraform's own way of attaching to a running provider
(TF_REATTACH_PROVIDERS). Values are not validated; `terraform validate` with the real provider says more.
"""
import concurrent.futures
import json
import os
import subprocess
import sys

import grpc

STRING_PLAIN, NESTING_LIST = 0, 2


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def field(number, value):
    """One field of a protocol buffer: a number, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b""
    return varint(number << 3 | 2) + varint(len(value)) + value


def attribute(name, about):
    kind = json.dumps(about["type"]).encode()
    optional = not about["required"] and not about.get("only", False)
    return field(1, name.encode()) + field(2, kind) + field(4, int(about["required"])) + field(5, int(optional)) + field(6, int(about["computed"]))


def block(about, is_config=False):
    out = b""
    for name, inner in sorted(about["attributes"].items()):
        if is_config:
            inner = inner | {"computed": False}
        out += field(2, attribute(name, inner))
    for name, inner in sorted(about["blocks"].items()):
        nested = field(1, name.encode()) + field(2, block(inner["block"], is_config)) + field(3, NESTING_LIST)
        out += field(3, nested + field(4, inner["min"]) + field(5, inner["max"]))
    return out


def schema(about, is_config=False):
    return field(2, block(about, is_config))


def entry(number, name, value):
    return field(number, field(1, name.encode()) + field(2, value))


def whole(known):
    out = field(1, schema(known["provider"], is_config=True))
    for name, about in known["resources"].items():
        out += entry(2, name, schema(about))
    for name, about in known["data"].items():
        out += entry(3, name, schema(about))
    return out


class Handlers(grpc.GenericRpcHandler):
    """Every answer but the schema is empty: no complaint."""

    def __init__(self, answer):
        self.answer = answer

    def service(self, details):
        if not details.method.startswith("/tfplugin6.Provider/"):
            return None
        name = details.method.rsplit("/", 1)[1]
        if name not in ("GetProviderSchema", "ValidateProviderConfig", "ValidateResourceConfig", "ValidateDataResourceConfig",
                        "ConfigureProvider", "StopProvider"):
            return None
        body = self.answer if name == "GetProviderSchema" else b""
        return grpc.unary_unary_rpc_method_handler(lambda request, context: body)


def main():
    with open(sys.argv[1]) as file:
        known = json.load(file)
    options = [("grpc.max_send_message_length", -1)]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), options=options)
    server.add_generic_rpc_handlers((Handlers(whole(known)),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    attach = {"registry.terraform.io/hashicorp/aws": {
        "Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True,
        "Addr": {"Network": "tcp", "String": f"127.0.0.1:{port}"}}}
    environment = os.environ | {"TF_REATTACH_PROVIDERS": json.dumps(attach)}
    code = subprocess.run(sys.argv[2:], env=environment).returncode
    server.stop(None)
    sys.exit(code)


if __name__ == "__main__":
    main()
