"""Canary secrets go through everything; then every place where one could have been left is searched."""
import base64
import json
import os
import secrets
import urllib.parse

import pytest
from conftest import World, merged, world_settings
from kit import until
from kit.upstream import answer


def spellings(secret):
    raw = secret.encode()
    yield raw
    yield raw.hex().encode()
    yield urllib.parse.quote(secret, safe="").encode()
    for shift in range(3):  # the core of its base64 at each alignment
        yield base64.b64encode(b"\0" * shift + raw)[4:-4]


class Canaries:
    def __init__(self):
        self.all = {}

    def new(self, name):
        self.all[name] = f"canary-{secrets.token_hex(16)}"
        return self.all[name]

    def hits(self, data):
        return [name for name, secret in self.all.items() for form in spellings(secret) if form in data]


@pytest.fixture(scope="module")
def trail(make_daemon, make_upstream, ca):
    """A daemon at trace level after a busy life, and everything it said to anyone but the service."""
    birds = Canaries()
    upstream = make_upstream()
    settings = merged(world_settings(upstream, ca, **{"refused.test:443": "127.0.0.1:1"}), {"log": {"level": "trace"}})
    daemon = make_daemon(settings)
    said = []
    world = World(daemon, upstream, ca)
    api = daemon.api

    def listening(*arguments, **options):
        result = api(*arguments, **options)
        if "authorizations" not in arguments[1]:
            said.append(str(result.fields).encode() + result.body)
        return result

    daemon.api = listening
    call = world.call

    def heard(*arguments, **options):
        response = call(*arguments, **options)
        said.append(response.raw + response.body)
        return response

    world.call = heard
    kinds = {
        "bearer": ("BEARER", {"token": birds.new("bearer")}, {}),
        "basic": ("BASIC", {"username": "u", "password": birds.new("basic")}, {}),
        "query": ("API_KEY", {"apiKey": birds.new("query")}, {"inject": [{"query": "k", "value": "${apiKey}"}]}),
        "cookie": ("API_KEY", {"apiKey": birds.new("cookie")}, {"inject": [{"cookie": "k", "value": "${apiKey}"}]}),
        "path": ("API_KEY", {"apiKey": birds.new("path")}, {"inject": [{"path": "/${apiKey}"}]}),
        "json": ("API_KEY", {"apiKey": birds.new("json")}, {"inject": [{"json": "/k", "value": "${apiKey}"}]}),
        "form": ("API_KEY", {"apiKey": birds.new("form")}, {"inject": [{"form": "k", "value": "${apiKey}"}]}),
    }
    token = daemon.token("*")
    birds.all["the caller's token"] = token[16:]
    birds.all["the administrator's token"] = daemon.admin_token[16:]
    for name, (kind, value, config) in kinds.items():
        daemon.connect(alias=name, type=kind, value=value, config={"hosts": ["api.test", "refused.test"], **config})
        kind_of_body = {"json": ("POST", b"{}", "application/json"),
                        "form": ("POST", b"a=b", "application/x-www-form-urlencoded")}.get(name)
        how = {"connection": name, "token": token}
        method = "GET"
        if kind_of_body:
            method, how["body"], how["fields"] = kind_of_body[0], kind_of_body[1], [f"Content-Type: {kind_of_body[2]}"]
        upstream.answer = lambda exchange, request: exchange.send(answer(
            b"ok", "200 OK", "X-Echo: " + (request.fields.get("authorization") or request.fields.get("cookie") or
                                           request.target), "Location: https://api.test" + request.target))
        assert heard(method, "/x", **how).status == 200
        upstream.answer = b"HTTP/1.1 200 OK\r\nX-A : " + value[list(value)[-1]].encode() + b"\r\n\r\n"
        assert heard(method, "/x", **how).status == 502
        upstream.answer = lambda exchange, _: exchange.reset()
        heard(method, "/x", **how)
        heard(method, "/x", host="refused.test", **how)
        heard(method, "/x", host="elsewhere.test", **how)
        shown = api("GET", f"/api/v1/connections/{name}")
        said.append(shown.body)
        rotated = birds.new(name + " after rotation")
        result = daemon.verb("connections", "rotate", shown.json()["id"], "--from-stdin",
                             input=json.dumps({**value, list(value)[-1]: rotated}))
        said.append((result.stdout + result.stderr).encode())
        upstream.answer = answer(b"ok")
        heard(method, "/x", **how)
    for wrong in ({"app": "nobody"}, {"type": "NONE"}, {"config": {"hosts": [""]}}, {"config": {"unknown": 1}},
                  {"value": {"token": birds.new("wrong value") + "\n"}}, {"value": birds.new("wrong type")},
                  {"value": {"unknown": birds.new("unknown field")}}, {"unknown": birds.new("unknown member")}):
        assert daemon.api("POST", "/api/v1/connections", {
            "name": "x", "app": "http", "type": "BEARER", "value": {"token": birds.new("refused")},
            "config": {"hosts": ["api.test"]}, **wrong}).status == 400
    daemon.api("POST", "/api/v1/connections", '{"value": {"token": "' + birds.new("broken JSON"))
    for path in ("/api/v1/connections?limit=100", "/metrics", "/readyz", "/livez", "/api/v1/providers", "/api/v1/self"):
        daemon.api("GET", path)
    for verb in (("connections", "list", "-o", "json"), ("status", "-o", "yaml"), ("tokens", "list", "-o", "json"),
                 ("connections", "show", "bearer", "-o", "yaml"), ("config", "show")):
        result = daemon.verb(*verb)
        said.append((result.stdout + result.stderr).encode())
    result = daemon.verb("connections", "create", "--app", "http", "--type", "BEARER", "--name", "n", "--alias", "cli",
                         "--from-stdin", input=json.dumps({"token": birds.new("made by the command line")}))
    said.append((result.stdout + result.stderr).encode())
    return world, birds, said


def test_the_search_finds_what_is_there(trail):
    _, birds, _ = trail
    secret = birds.all["bearer"]
    assert birds.hits(b"xx" + secret.encode() + b"yy")
    assert birds.hits(base64.b64encode(f"u:{secret}".encode()))


def test_not_in_any_answer(trail):
    _, birds, said = trail
    assert len(said) > 60
    for data in said:
        assert not birds.hits(data), data[:2000]


def test_not_in_the_log_at_trace_level(trail):
    world, birds, _ = trail
    log = world.daemon.log_file.read_bytes()
    assert len(log) > 1000
    assert not birds.hits(log)


def test_not_in_the_environment_the_command_line_or_the_descriptors(trail):
    world, birds, _ = trail
    process = f"/proc/{world.daemon.process.pid}"
    for name in ("environ", "cmdline", "status", "maps"):
        assert not birds.hits(open(f"{process}/{name}", "rb").read()), name
    for descriptor in os.listdir(f"{process}/fd"):
        try:
            assert not birds.hits(os.readlink(f"{process}/fd/{descriptor}").encode())
        except FileNotFoundError:
            pass


def test_not_in_any_file(trail):
    """While it runs, and after it has ended."""
    world, birds, _ = trail
    for _ in range(2):
        files = [p for p in world.daemon.folder.rglob("*") if p.is_file()]
        assert len(files) > 4
        for path in files:
            assert not birds.hits(path.read_bytes()), path
        if world.daemon.running():
            assert world.daemon.stop() == 0
    until(lambda: not world.daemon.running())
