"""What a container may reach without a credential."""
import pytest
from conftest import World, world_settings
from kit import SECRET
from kit.http1 import basic


@pytest.fixture(scope="module")
def _open_road(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    settings = world_settings(upstream, ca, **{"other.test:443": upstream, "a.wild.test:443": upstream,
                                               "third.test:443": upstream, "api.test:8443": upstream})
    settings["egress"] = {"default": "deny", "allow": ["other.test:443", "*.wild.test", "api.test", "localhost"]}
    return World(make_daemon(settings), upstream, ca)


@pytest.fixture
def road(_open_road):
    _open_road.upstream.reset()
    return _open_road


@pytest.mark.parametrize("host", ["other.test", "a.wild.test"])
def test_an_allowed_host_is_relayed_without_a_credential(road, host):
    response = road.call(host=host, connection=None, fields=["Authorization: Bearer the-callers-own"])
    assert response.status == 200
    seen = road.upstream.last()
    assert seen.fields.all("authorization") == ["Bearer the-callers-own"]
    assert SECRET.encode() not in seen.raw and b"proxy-auth" not in seen.raw.lower()


@pytest.mark.parametrize("host", ["third.test", "wild.test", "api.test:8443", "other.test:8443"])
def test_any_other_host_needs_a_connection(road, host):
    response = road.call(host=host, connection=None)
    assert (response.status, response.code) == (400, "connection-id-missing")
    assert not road.upstream.requests


def test_a_relay_still_needs_a_caller(road):
    response = road.call(host="other.test", connection=None, token=False)
    assert (response.status, response.code) == (407, "caller-unauthenticated")
    assert not road.upstream.requests


def test_a_relay_has_the_same_address_policy(road):
    response = road.call(host="localhost", connection=None)
    assert (response.status, response.code) == (403, "destination-address-prohibited")


def test_a_named_connection_still_injects_where_egress_is_open(road):
    assert road.call().status == 200
    assert road.upstream.last().fields.get("authorization") == f"Bearer {SECRET}"


def test_a_runs_default_stays_out_of_a_host_that_egress_allows(road):
    """What `exec -c` sets: apt's http:// sources go on working beside the connection of the run."""
    user = [f"Proxy-Authorization: {basic('api', road.token)}"]
    response = road.call(host="other.test", connection=None, token=False, fields=[*user, "Authorization: Bearer own"])
    assert response.status == 200
    seen = road.upstream.last()
    assert seen.fields.all("authorization") == ["Bearer own"] and SECRET.encode() not in seen.raw
    assert road.call(connection=None, token=False, fields=user).status == 200
    assert road.upstream.last().fields.all("authorization") == [f"Bearer {SECRET}"]
    elsewhere = road.call(host="third.test", connection=None, token=False, fields=user)
    assert (elsewhere.status, elsewhere.code) == (403, "destination-not-allowed")


def test_a_named_connection_is_not_a_relay_to_other_hosts(road):
    response = road.call(host="other.test")
    assert (response.status, response.code) == (403, "destination-not-allowed")
    assert not road.upstream.requests
