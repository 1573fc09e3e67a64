"""Where a secret may go: only where its connection says, and never to an address that is nobody's business."""
import itertools

import pytest
from conftest import World, world_settings
from kit import row

numbers = itertools.count()


@pytest.fixture(scope="module")
def _placed(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    world = World(make_daemon(world_settings(upstream, ca, **{
        "other.test:443": upstream, "api.test:8443": upstream, "tenant.wild.test:443": upstream,
        "refused.test:443": "127.0.0.1:1"})), upstream, ca)
    return world


@pytest.fixture
def placed(_placed):
    _placed.upstream.reset()
    return _placed


def connect(world, *hosts, **token):
    alias = f"d{next(numbers)}"
    made = world.daemon.connect(alias=alias, config={"hosts": list(hosts)})
    return {"connection": alias, "token": world.daemon.token(made["id"], **token)}


def refused(world, code="destination-not-allowed", **request):
    response = world.call(**request)
    assert (response.status, response.code) == (403, code)
    assert response.fields.get("x-should-retry") == "false"
    assert not world.upstream.requests and not world.upstream.accepted
    return response


@row("destination-not-allowed")
@pytest.mark.parametrize("host", ["other.test", "xapi.test", "api.test.other.test", "a.api.test", "test",
                                  "api.test:8443", "api.test:444", "127.0.0.1", "[::1]"])
def test_another_host_or_port_is_403(placed, host):
    refused(placed, host=host)


def test_a_port_that_is_named_is_allowed(placed):
    who = connect(placed, "api.test:8443")
    assert placed.call(host="api.test:8443", **who).status == 200
    assert placed.upstream.last().fields.get("host") == "api.test:8443"
    placed.upstream.reset()
    response = placed.call(**who)
    assert response.code == "destination-not-allowed"


def test_several_hosts(placed):
    who = connect(placed, "api.test", "other.test")
    assert placed.call(host="other.test", **who).status == 200
    assert placed.call(host="api.test", **who).status == 200


@row("destination-not-allowed")
@pytest.mark.parametrize("path", ["/", "/v2/x", "/v1x", "/V1/x"])
def test_a_path_outside_is_403(placed, path):
    refused(placed, path=path, **connect(placed, "api.test/v1"))


def test_a_path_inside_is_allowed(placed):
    who = connect(placed, "api.test/v1")
    for path in ("/v1", "/v1/x", "/v1?x"):
        assert placed.call(path=path, **who).status == 200


@pytest.mark.parametrize("path", ["/v1/../v2", "/v1/%2e%2e/v2", "/v1/..%2fv2", "/v1//x", "/v1/;/x", "/v1/%5c../v2"])
def test_a_path_that_could_climb_out_is_400(placed, path):
    response = placed.call(path=path, **connect(placed, "api.test/v1"))
    assert (response.status, response.code) == (400, "malformed-request")
    assert not placed.upstream.requests


@row("destination-not-allowed")
def test_an_authorization_may_narrow_hosts_and_methods(placed):
    who = connect(placed, "api.test", "other.test", hosts=["api.test"], methods=["GET"])
    assert placed.call(**who).status == 200
    placed.upstream.drop_connections()
    placed.upstream.reset()
    refused(placed, host="other.test", **who)
    refused(placed, method="POST", body=b"x", **who)


@row("destination-not-allowed")
@pytest.mark.parametrize("member", ["hosts", "methods"])
def test_an_empty_list_allows_nothing(placed, member):
    refused(placed, **connect(placed, "api.test", **{member: []}))


@row("upstream-refused")
def test_a_refused_connection_is_502(placed):
    response = placed.call(host="refused.test", **connect(placed, "refused.test"))
    assert (response.status, response.code) == (502, "upstream-refused")
    assert response.fields.get("x-should-retry") == "true"


@row("dns-failed")
def test_a_name_that_does_not_resolve_is_502(placed):
    response = placed.call(host="no-such-host.invalid", **connect(placed, "no-such-host.invalid"))
    assert (response.status, response.code) == (502, "dns-failed")


@row("destination-address-prohibited")
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1",
                                  "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
                                  "[::1]", "[fe80::1]", "[fc00::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]",
                                  "[2002:7f00:1::]", "[::]"])
def test_a_prohibited_address_is_403(placed, host):
    made = placed.daemon.api("POST", "/api/v1/connections", {
        "name": "x", "app": "http", "type": "BEARER", "value": {"token": "t"}, "config": {"hosts": [host]}})
    if made.status == 400:  # refused even earlier: an address that can never be reached is no destination
        return
    assert made.status == 201, made.body
    refused(placed, "destination-address-prohibited", host=host, connection=made.json()["id"],
            token=placed.daemon.token(made.json()["id"]))


@row("destination-address-prohibited")
def test_its_own_listeners_are_403(placed):
    for address in (placed.daemon.proxy, placed.daemon.admin):
        port = address.split(":")[1]
        who = connect(placed, f"localhost:{port}")
        refused(placed, "destination-address-prohibited", host=f"localhost:{port}", **who)


@row("connection-unavailable")
def test_unknown_foreign_and_deleted_look_the_same(placed):
    foreign = placed.daemon.connect(alias="foreign")
    gone = placed.daemon.connect(alias="gone")
    token = placed.daemon.token(placed.connection["id"], gone["id"])
    assert placed.daemon.api("DELETE", f"/api/v1/connections/{gone['id']}").status == 204
    answers = [placed.call(connection=name, token=token) for name in
               (foreign["id"], "foreign", gone["id"], "gone", "nobody", "conn_00000000000000000000")]
    shapes = set()
    for response in answers:
        body = response.json()
        body.pop("instance")
        shapes.add((response.status, response.code, str(body)))
    assert len(shapes) == 1 and answers[0].status == 403 and answers[0].code == "connection-unavailable"
    assert not placed.upstream.requests


@pytest.mark.parametrize("name", ["a b", "../x", "a" * 65, "\xe4", "a;b", ""])
def test_a_name_that_is_no_name(placed, name):
    response = placed.call(connection=name)
    assert response.status in (400, 403) and response.code
    assert not placed.upstream.requests


@row("connection-revoked")
def test_a_disabled_connection_is_403_until_it_is_enabled(placed):
    made = placed.daemon.connect(alias="off")
    who = {"connection": "off", "token": placed.daemon.token(made["id"])}
    for flag, expected in (("--disable", (403, "connection-revoked")), ("--enable", (200, None))):
        result = placed.daemon.verb("connections", "update", made["id"], flag)
        assert result.returncode == 0, result.stderr
        response = placed.call(**who)
        assert (response.status, response.code) == expected
