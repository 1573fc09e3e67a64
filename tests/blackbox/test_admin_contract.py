"""The edges of the admin API, taken from openapi.yaml itself: each refusal that it promises is produced, of each call.

A call that is added to the document is asked these questions too. Where one needs something that is there, GOOD and
OBJECTS say what; a call that is missing in them fails with its name. That what comes back is as documented is looked at by
the kit for every answer.
"""
import itertools
import json

import pytest
from kit.contract import contract
from kit.http1 import Client

CONTRACT = contract()
CALLS = {operation["operationId"]: (path, method.upper(), operation) for path, method, operation in CONTRACT.operations()
         if operation.get("security") != []}
numbers = itertools.count()


def those(wanted):
    found = sorted(name for name, (path, method, operation) in CALLS.items() if wanted(path, method, operation))
    assert found
    return pytest.mark.parametrize("call", found)


def has(place, name):
    return lambda path, method, operation: (place, name) in CONTRACT.parameters(path, operation)


def promises(status):
    return lambda path, method, operation: status in operation["responses"]


def takes_a_body(path, method, operation):
    """Of JSON; a document in one of several forms is its own test's affair."""
    return list(CONTRACT.at(operation.get("requestBody", {})).get("content", ())) == ["application/json"]


def is_a_list(path, method, operation):
    """Of things that have names and come and go; the audit log has its own tests."""
    return method == "GET" and has("query", "sortBy")(path, method, operation)


# A body with which the call succeeds, of each that takes one; of a second one that differs for Idempotency-Key.
GOOD = {
    "createConnection": lambda world: {"app": "http", "type": "BEARER", "value": {"token": "upstream-secret"},
                                       "config": {"hosts": ["api.test"]}, "alias": f"k{next(numbers)}"},
    "changeConnection": lambda world: {"name": f"Name {next(numbers)}"},
    "rotateConnection": lambda world: {"value": {"token": f"upstream-secret-{next(numbers)}"}},
    "testConnection": lambda world: {},
    "revokeConnection": lambda world: {},
    "createAuthConfig": lambda world: {"provider": "acme", "name": f"Acme {next(numbers)}",
                                       "value": {"clientId": "acme-client", "clientSecret": "secret-of-acme"}},
    "changeAuthConfig": lambda world: {"name": f"Name {next(numbers)}"},
    "createLink": lambda world: {"authConfig": world.auth_config["id"], "name": f"Link {next(numbers)}"},
    "createAuthorization": lambda world: {"name": f"step {next(numbers)}", "capabilities": ["proxy:call"]},
    "changeProvider": lambda world: {"enabled": True},
    "importProvider": lambda world: {"openapi": "3.1.0", "info": {"title": f"API {next(numbers)}", "version": "1"}, "paths": {},
                                     "servers": [{"url": "https://api.test"}], "security": [{"key": []}],
                                     "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}},
    "explain": lambda world: {"url": "http://api.test/v1"},
    "introspectAuthorization": lambda world: {"token": world.daemon.token()},
    "createOrganization": lambda world: {"name": f"Organization {next(numbers)}"},
    "changeOrganization": lambda world: {"name": f"Name {next(numbers)}"},
    "createProject": lambda world: {"name": f"Project {next(numbers)}"},
    "changeProject": lambda world: {"name": f"Name {next(numbers)}"},
    "createUser": lambda world: {"name": f"User {next(numbers)}", "projects": [{"id": "proj_default", "role": "EDITOR"}]},
    "changeUser": lambda world: {"name": f"Name {next(numbers)}"},
    "escalateConnection": lambda world: {"scope": "ORGANIZATION"},
    "verifyAudit": lambda world: {},
    "createCa": lambda world: {"names": [f"api{next(numbers)}.test"]},
    "rotateCa": lambda world: {"names": [f"api{next(numbers)}.test"]},
    "rotateKeys": lambda world: {},
    "rewrapKeys": lambda world: {"key": {"file": str(world.daemon.folder / "keys" / f"key-{next(numbers)}")}},
    "backupVault": lambda world: {"directory": str(world.daemon.folder / f"backup-{next(numbers)}")},
    "verifyVault": lambda world: {},
}
# What stands for the id in a path, made anew for each question.
OBJECTS = {
    "/api/v1/connections/{id}": lambda world: world.daemon.connect(alias=f"o{next(numbers)}")["id"],
    "/api/v1/auth_configs/{id}": lambda world: world.new_auth_config(name=f"Config {next(numbers)}")["id"],
    "/api/v1/links/{id}": lambda world: world.made("/api/v1/links", GOOD["createLink"](world))["id"],
    "/api/v1/authorizations/{id}": lambda world: world.daemon.authorize()["id"],
    "/api/v1/organizations/{id}": lambda world: world.made("/api/v1/organizations", GOOD["createOrganization"](world))["id"],
    "/api/v1/projects/{id}": lambda world: world.made("/api/v1/projects", GOOD["createProject"](world))["id"],
    "/api/v1/users/{id}": lambda world: world.made("/api/v1/users", GOOD["createUser"](world))["id"],
    "/api/v1/providers/{id}": lambda world: "acme",
}
# A test needs a provider that can be asked; the daemon's own connection to api.test cannot be.
OBJECTS["changeProvider"] = OBJECTS["deleteProvider"] = lambda world: world.made(
    "/api/v1/providers/import", GOOD["importProvider"](world))["id"]
OBJECTS["testConnection"] = lambda world: world.connect().id
# What everybody may ask about themselves, asked about somebody else.
OF_OTHERS = {
    "introspectAuthorization": GOOD["introspectAuthorization"],
    "explain": lambda world: {"url": "http://api.test/v1", "authorization": world.daemon.authorize()["id"]},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory, leaf, ca):
    from kit.oauth import OAuthWorld
    made = OAuthWorld(tmp_path_factory.mktemp("oauth"), leaf, ca)
    yield made
    made.end()


# What has to be there, or has not, before a call succeeds that needs no id.
FIRST = {
    "createCa": lambda world: world.daemon.api("DELETE", "/api/v1/ca"),
    "showCa": lambda world: world.daemon.api("POST", "/api/v1/ca", {"names": ["api.test"]}),
}
FIRST["rotateCa"] = FIRST["deleteCa"] = FIRST["showCa"]


class Asking:
    """One call of the document, with everything good but what a question changes."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.path, self.method, self.operation = CALLS[name]
        self._target = None
        if name in FIRST:
            FIRST[name](world)

    @property
    def target(self):
        """Its path with the id of an object that is there."""
        if self._target is None:
            self._target = self.path
            if "{id}" in self.path:
                kind = self.path[:self.path.index("{id}") + 4]
                make = OBJECTS.get(self.name) or OBJECTS.get(kind)
                assert make, f"OBJECTS says of {kind} what stands for the id"
                self._target = self.path.replace("{id}", make(self.world))
        return self._target

    @property
    def record(self):
        """The path of what the call is about, without the verb behind it."""
        return "/".join(self.target.split("/")[:5 if "{id}" in self.path else 4])

    def body(self):
        if "requestBody" not in self.operation:
            return None
        assert self.name in GOOD, f"GOOD says with what {self.name} succeeds"
        return GOOD[self.name](self.world)

    def ask(self, *, query="", body=..., **options):
        body = self.body() if body is ... else body
        return self.world.daemon.api(self.method, self.target + query, body, **options)

    def settle(self):
        """A rotation of the keys is one at a time."""
        from kit import until
        if self.name == "rotateKeys":
            until(lambda: self.world.daemon.api("GET", "/api/v1/keys").json()["rotation"]["state"] in ("NONE", "DONE"),
                  30, "the rotation before to end")


@pytest.fixture
def asking(world, call):
    return Asking(world, call)


def pointers(answer):
    return [error.get("pointer", error.get("parameter")) for error in answer.json().get("errors", [])]


# --- what succeeds
@those(lambda *_: True)
def test_a_good_call_is_taken(asking):
    asking.settle()
    answer = asking.ask()
    assert 200 <= answer.status < 300, answer.body
    assert str(answer.status) in asking.operation["responses"]


@those(lambda path, method, operation: method == "GET")
def test_head_is_get_without_its_body(asking):
    """Only the fields that a caller would look at: dates and lengths of two answers may differ."""
    got, head = asking.ask(), asking.world.daemon.api("HEAD", asking.target)
    assert (head.status, head.body) == (got.status, b"")
    for field in ("Content-Type", "ETag", "Cache-Control"):
        assert head.fields[field] == got.fields[field], field


# --- who calls
@those(promises("401"))
@pytest.mark.parametrize("fields", [{}, {"Authorization": "Bearer pst_nonsense"}, {"Authorization": "Basic eDp5"},
                                    {"Authorization": ""}])
def test_without_a_token_it_is_401(world, call, fields):
    path, method, _ = CALLS[call]
    answer = world.daemon.api(method, path.replace("{id}", "unknown"), token=False, headers=fields)
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.fields["WWW-Authenticate"].startswith("Bearer")


@those(promises("403"))
def test_without_its_capability_it_is_403(world, call):
    path, method, _ = CALLS[call]
    weak = world.daemon.token(capabilities=["proxy:call"])
    body = OF_OTHERS[call](world) if call in OF_OTHERS else None
    answer = world.daemon.api(method, path.replace("{id}", "unknown"), body, token=weak)
    assert (answer.status, answer.code) == (403, "not-permitted")


@those(lambda path, method, operation: "{id}" in path)
def test_what_is_not_there_is_404_in_one_body(asking):
    """Whatever the id looks like: nobody learns more than that there is nothing for them."""
    ids = ["unknown", "conn_00000000000000000000", "tok_00000000000000000000", "link_00000000000000000000",
           "ac_00000000000000000000", "a" * 64, "a" * 65, "%41", "a.b", "*"]
    seen = set()
    for id in ids:
        answer = asking.world.daemon.api(asking.method, asking.path.replace("{id}", id), asking.body())
        assert answer.status == 404, (id, answer.body)
        seen.add(json.dumps({**answer.json(), "instance": ""}))
    assert len(seen) == 1


@pytest.mark.parametrize("path", ["/livez", "/api/v1/self", "/api/v1/connections?limit=0", "/nothing", "/connect/x",
                                  "/api/v1/connections/unknown"])
def test_every_answer_names_its_request(world, path):
    """By an id of ours; one that the caller chose could be anybody's. The kit compares it with `instance`."""
    ids = [world.daemon.api("GET", path, headers={"X-Request-Id": "req_mine"}).fields["X-Request-Id"] for _ in range(2)]
    assert all(id.startswith("req_") and len(id) == 24 for id in ids) and ids[0] != ids[1]


@those(has("query", "organization"))
def test_another_organization_is_404(asking):
    """To who belongs to one, whether the other is there or not."""
    asking.settle()
    insider = asking.world.daemon.token(capabilities=["*"], connections=["*"])
    answer = asking.ask(query="?organization=org_00000000000000000000", token=insider)
    assert (answer.status, answer.code) == (404, "not-found")


# --- which method
@pytest.mark.parametrize("path", sorted(CONTRACT.document["paths"]))
def test_another_method_is_405_and_says_which_ones_there_are(world, path):
    """The kit compares Allow with the document."""
    target = path.replace("{id}", "unknown").replace("{verb}", "confirm")
    for method in ("PUT", "OPTIONS", "BREW"):
        assert world.daemon.api(method, target).status == 405


def test_head_of_a_call_that_is_no_get_is_405(world):
    answer = world.daemon.api("HEAD", "/api/v1/reload")
    assert (answer.status, answer.fields["Allow"]) == (405, "POST")


# --- what is sent
@those(takes_a_body)
@pytest.mark.parametrize("kind", ["application/xml", "text/json", "application/jsonp", "json", ""])
def test_a_body_of_another_media_type_is_415(asking, kind):
    answer = asking.ask(body=b'{"a": 1}', headers={"Content-Type": kind})
    assert (answer.status, answer.code) == (415, "unsupported-media-type")


@those(takes_a_body)
def test_a_body_over_a_mebibyte_is_413(asking):
    """Refused by its announced length, before a byte of it is read."""
    daemon = asking.world.daemon
    with Client(daemon.admin) as client:
        client.send(f"{asking.method} {asking.target} HTTP/1.1\r\nHost: {daemon.admin}\r\nAuthorization: Bearer "
                    f"{daemon.admin_token}\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\n\r\n")
        answer = client.response()
        assert (answer.status, answer.code) == (413, "body-too-large")
        daemon.looks_right(asking.method, asking.target, answer)
        assert client.is_closed()


@those(takes_a_body)
@pytest.mark.parametrize("text", [b"{", b"[]", b"null", b'"text"', b"{} {}", b"{'a': 1}", b'{"a": 1,}', b'{"a": NaN}',
                                  b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', b"\xef\xbb\xbf{}", b'{"a": 01}',
                                  b'{"a":' * 200 + b"1" + b"}" * 200, b'{"\\ud800": 1}', b'{"a": 1e999999}'])
def test_a_body_that_is_no_json_object_is_400(asking, text):
    answer = asking.ask(body=text)
    assert answer.status == 400, answer.body
    assert answer.code == "malformed-request" or pointers(answer)


@those(takes_a_body)
def test_a_field_that_is_not_there_is_400_with_its_pointer(asking):
    answer = asking.ask(body={**asking.body(), "nosuch": 1})
    assert (answer.status, answer.code) == (400, "invalid-request")
    assert "/nosuch" in pointers(answer)


@those(takes_a_body)
def test_a_member_that_is_given_twice_is_400(asking):
    """Two readers of one text must not see two things."""
    answer = asking.ask(body=b'{"name": "a", "name": "b"}')
    assert (answer.status, answer.code) == (400, "malformed-request")


def test_every_bad_field_is_named_at_once(world):
    answer = world.daemon.api("POST", "/api/v1/connections", {
        "name": 5, "alias": "a b", "scope": "EVERYONE", "tags": ["x", 5], "enabled": "yes", "app": "http", "more": 1})
    assert answer.status == 400
    assert set(pointers(answer)) == {"/name", "/alias", "/scope", "/tags/1", "/enabled", "/more"}


@pytest.mark.parametrize("number", ["0", "-1", "1e30", "9223372036854775808", "-9223372036854775809", "1.5", "true", '"5"'])
def test_a_number_out_of_range_is_400_with_its_pointer(world, number):
    for path, body in (("/api/v1/authorizations", '{"capabilities": ["proxy:call"], "expiresIn": %s}'),
                       ("/api/v1/links", '{"provider": "acme", "expiresIn": %s}')):
        answer = world.daemon.api("POST", path, body % number)
        assert answer.status == 400 and pointers(answer) == ["/expiresIn"], (path, number, answer.body)


# --- as things are
def test_a_secret_that_would_go_elsewhere_is_needed_again(world):
    made = world.made("/api/v1/auth_configs", {"provider": "microsoft", "auth": "oauth", "name": "Ours", "config": {"tenant": "ours"},
                                               "value": {"clientId": "id", "clientSecret": "secret-of-ours"}})
    path = f"/api/v1/auth_configs/{made['id']}"
    moved = world.daemon.api("PATCH", path, {"config": {"tenant": "theirs"}})
    assert (moved.status, moved.code) == (409, "secret-required")
    assert world.daemon.api("GET", path).json()["config"] == {"tenant": "ours"}


def test_a_backup_does_not_overwrite(world):
    body = GOOD["backupVault"](world)
    assert world.daemon.api("POST", "/api/v1/vault/backup", body).status == 201
    again = world.daemon.api("POST", "/api/v1/vault/backup", body)
    assert (again.status, again.code) == (409, "already-there")


def has_no_parameters(path, method, operation):
    return "400" in operation["responses"] and not any(
        place == "query" and name not in ("organization", "project") for place, name in CONTRACT.parameters(path, operation))


@those(has_no_parameters)
def test_a_parameter_where_there_is_none_is_400(world, call):
    path, method, _ = CALLS[call]
    answer = world.daemon.api(method, path.replace("{id}", "unknown") + "?nonsense=1")
    assert (answer.status, answer.code) == (400, "invalid-request")
    assert [error["parameter"] for error in answer.json()["errors"]] == ["nonsense"]


def test_a_configuration_that_is_wrong_is_422_and_not_taken_over(world):
    file = world.daemon.folder / "postern.yaml"
    good = file.read_text()
    file.write_text(good + "nonsense: 1\n")
    answer = world.daemon.api("POST", "/api/v1/reload")
    file.write_text(good)
    assert (answer.status, answer.code) == (422, "configuration-invalid")
    assert world.daemon.api("POST", "/api/v1/reload").status == 200


def test_a_target_over_8_kib_is_414(world):
    fits = "/api/v1/connections?search=" + "a" * (8192 - len("/api/v1/connections?search="))
    assert world.daemon.api("GET", fits).status == 200
    answer = world.daemon.api("GET", fits + "a")
    assert (answer.status, answer.code) == (414, "target-too-long")


def test_a_head_that_does_not_end_is_408(world):
    with Client(world.daemon.admin, timeout=60) as client:
        client.send(f"GET /livez HTTP/1.1\r\nHost: {world.daemon.admin}\r\nX-More: ")
        answer = client.response()
        assert (answer.status, answer.code) == (408, "request-timeout")
        world.daemon.looks_right("GET", "/livez", answer)
        assert client.is_closed()


# --- versions
@those(has("header", "If-Match"))
def test_another_version_is_412_and_nothing_happens(asking):
    for tag in ('"0"', '"99999", "0"', "1", 'W/"1"', '""', "nonsense"):
        answer = asking.ask(headers={"If-Match": tag})
        assert (answer.status, answer.code) == (412, "version-conflict"), tag
    shown = asking.world.daemon.api("GET", asking.record)
    assert shown.status == 200


@those(has("header", "If-Match"))
@pytest.mark.parametrize("form", ["*", "{}", '"0", {}', '{} , "0"'])
def test_the_version_that_is_there_is_taken(asking, form):
    shown = asking.world.daemon.api("GET", asking.record)
    answer = asking.ask(headers={"If-Match": form.replace("{}", shown.fields["ETag"])})
    assert 200 <= answer.status < 300, answer.body


# --- once
@those(has("header", "Idempotency-Key"))
@pytest.mark.parametrize("key", ["", "a b", "a" * 256, "\xe9"])
def test_a_key_that_is_none_is_400(asking, key):
    answer = asking.ask(headers={"Idempotency-Key": key.encode("latin-1")})
    assert (answer.status, answer.code) == (400, "invalid-request")


@those(has("header", "Idempotency-Key"))
def test_a_key_is_for_one_body(asking):
    asking.settle()
    body, key = asking.body(), {"Idempotency-Key": f"key-{next(numbers)}"}
    first = asking.ask(body=body, headers=key)
    assert 200 <= first.status < 300, first.body
    again = asking.ask(body=body, headers=key)
    if asking.name == "createAuthorization":  # a token is shown once
        assert (again.status, again.code, again.json()["id"]) == (409, "idempotency-replayed", first.json()["id"])
        assert b"pst_" not in again.body
    else:
        # What was made is shown as it is by now, and that a value was tried is said once.
        assert (again.status, again.fields["Idempotency-Replayed"]) == (first.status, "true")
        if "id" in first.json():
            assert again.json() == {name: value for name, value in first.json().items() if name != "tested"}
    other = asking.ask(body=b'{"name": "another"}', headers=key)
    assert (other.status, other.code) == (422, "idempotency-mismatch")


# --- lists
def bad_values(parameter):
    schema = CONTRACT.at(parameter["schema"])
    if schema.get("type") == "integer":
        return [schema["minimum"] - 1, schema["maximum"] + 1, "abc", "", "1.5", "+1", "0x1", " 1", "9" * 30]
    if schema.get("type") == "boolean":
        return ["yes", "1", ""]
    if "enum" in schema:
        return ["nosuch", ""]
    return []


@those(lambda path, method, operation: any(place == "query" for place, _ in CONTRACT.parameters(path, operation)))
def test_a_bad_parameter_is_400_with_its_name(asking):
    for (place, name), parameter in CONTRACT.parameters(asking.path, asking.operation).items():
        for value in bad_values(parameter) if place == "query" else ():
            answer = asking.ask(query=f"?{name}={str(value).replace('+', '%2B').replace(' ', '%20')}")
            assert (answer.status, pointers(answer)) == (400, [name]), (name, value, answer.body)


@those(lambda path, method, operation: any(place == "query" for place, _ in CONTRACT.parameters(path, operation)))
def test_an_unknown_parameter_is_400(asking):
    answer = asking.ask(query="?nosuch=1")
    assert (answer.status, pointers(answer)) == (400, ["nosuch"])


@those(is_a_list)
def test_a_list_takes_its_own_cursor_only(asking, world):
    for n in range(3):
        world.daemon.connect(alias=f"c{next(numbers)}")
        world.daemon.authorize()
        world.new_auth_config(name=f"C {next(numbers)}")
        for kind in ("Organization", "Project", "User"):
            world.made(f"/api/v1/{kind.lower()}s", GOOD[f"create{kind}"](world))
    asking.ask()
    page = asking.ask(query="?limit=1").json()
    assert page["hasMore"] and page["cursor"]
    cursor = page["cursor"]
    assert asking.ask(query=f"?limit=1&cursor={cursor}").status == 200
    tampered = [cursor[:-2], cursor + "A", "x" + cursor, cursor.swapcase(), "e30", "W10", "~", "a" * 5000]
    for bad in [f"cursor={one}" for one in tampered] + [
            f"cursor={cursor}&sortBy=name", f"cursor={cursor}&sortOrder=desc", f"cursor={cursor}&page=2",
            f"cursor={cursor}&offset=1", f"cursor={cursor}&page=1", f"cursor={cursor}&offset=0",
            f"cursor={cursor}&cursor={cursor}", "page=1&offset=1", "limit=1&limit=2"]:
        answer = asking.ask(query=f"?{bad}")
        assert (answer.status, answer.code) == (400, "invalid-request"), (bad, answer.body)
    for other in (name for name, call in CALLS.items() if is_a_list(*call) and name != asking.name):
        answer = Asking(world, other).ask(query=f"?cursor={cursor}")
        assert answer.status == 400, f"{other} takes the cursor of {asking.name}"


ORDERS = ["", "&sortBy=name", "&sortBy=created", "&sortBy=updated", "&sortBy=created&sortOrder=asc",
          "&sortBy=updated&sortOrder=asc", "&sortBy=name&sortOrder=desc"]
# How one of a list is made with a name, and given back.
MAKERS = {
    "listConnections": lambda world, name: world.daemon.connect(alias=f"l{next(numbers)}", name=name)["id"],
    "listAuthConfigs": lambda world, name: world.new_auth_config(name=name)["id"],
    "listAuthorizations": lambda world, name: world.daemon.authorize(name=name)["id"],
    "listOrganizations": lambda world, name: world.made("/api/v1/organizations", {"name": name})["id"],
    "listProjects": lambda world, name: world.made("/api/v1/projects", {"name": name})["id"],
    "listUsers": lambda world, name: world.made("/api/v1/users", {"name": name})["id"],
}


@those(lambda path, method, operation: is_a_list(path, method, operation) and "/providers" not in path)
@pytest.mark.parametrize("order", ORDERS)
def test_a_list_shows_what_stays_once_while_others_come_and_go(asking, order, world):
    assert asking.name in MAKERS, f"MAKERS says how one of {asking.name} is made"
    make, path = MAKERS[asking.name], asking.path
    word = f"w{next(numbers)}"
    there = [make(world, f"{word} {chr(97 + n % 7)}{n}") for n in range(12)]
    doomed, stay = there[::3], [id for n, id in enumerate(there) if n % 3]
    seen, query = [], f"?limit=2&search={word}{order}"
    page = asking.ask(query=query).json()
    while True:
        seen += [one["id"] for one in page["data"]]
        if not page["hasMore"]:
            break
        make(world, f"{word} {chr(97 + len(seen) % 7)}-late")
        if doomed:
            assert world.daemon.api("DELETE", f"{path}/{doomed.pop()}").status == 204
        page = asking.ask(query=f"{query}&cursor={page['cursor']}").json()
        assert len(seen) < 60
    assert len(seen) == len(set(seen)), "something is shown twice"
    assert set(stay) <= set(seen), "something that was there throughout is left out"
