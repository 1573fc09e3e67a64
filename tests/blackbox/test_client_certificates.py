"""Mutual TLS: a connection's certificate is shown to nginx and to a strict server, kept apart, rotated and revoked."""
import json
import ssl

import pytest
from conftest import World, world_settings
from kit import row, until
from kit.pki import Authority
from kit.upstream import Upstream, answer

KEYS = {"rsa": ("-newkey", "rsa:2048"), "p256": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        "p384": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"), "ed25519": ("-newkey", "ed25519")}
ENTRY = """
id: acme-bank
title: Acme Bank
docs: https://api.test/docs
base_url: https://api.test
hosts: [api.test]
auth:
  certificate:
    type: CERTIFICATE
    fields: {certificate: {secret: false}, key: {}, passphrase: {required: false}, apiKey: {}}
    inject: [{header: X-Api-Key, value: "${apiKey}"}]
verify: {get: /verify}
"""


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    """The authority that the services take clients of."""
    return Authority(tmp_path_factory.mktemp("clients"), "Clients")


def strict(leaf, clients, version=None):
    """A server that ends the handshake of whoever shows no certificate of `clients`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(clients.pem)
    if version:
        context.maximum_version = version
    return Upstream(*leaf, context=context)


def greet(exchange, request):
    """Says who called."""
    subject = dict(pair[0] for pair in exchange.sock.getpeercert()["subject"])
    exchange.send(answer(subject["commonName"]))


@pytest.fixture(scope="module")
def _bank(make_nginx, make_daemon, make_upstream, tmp_path_factory, leaf, ca, clients):
    nginx = make_nginx(f"""
        ssl_client_certificate {clients.pem}; ssl_verify_client on; ssl_verify_depth 3;
        location / {{ return 200 "$ssl_client_s_dn $connection $ssl_session_reused $http_x_api_key"; }}""")
    servers = {"api.test": strict(leaf, clients), "third.test": strict(leaf, clients, ssl.TLSVersion.TLSv1_2),
               "wrong.test": strict(ca.self_signed("wrong.test"), clients), "plain.test": make_upstream(*ca.issue("plain.test"))}
    folder = tmp_path_factory.mktemp("catalog")
    (folder / "acme-bank.yaml").write_text(ENTRY)
    settings = world_settings(servers["api.test"], ca, **{"other.test:443": nginx},
                              **{f"{host}:443": server for host, server in servers.items()})
    world = World(make_daemon({**settings, "catalog": [str(folder)], "workers": 1}), servers["api.test"], ca)
    world.servers, world.all = servers, world.daemon.token("*")
    yield world
    assert world.daemon.stop() == 0, world.daemon.log_file.read_text()[-4000:]
    for server in servers.values():
        server.stop()


@pytest.fixture
def bank(_bank):
    """other.test is nginx with ssl_verify_client; api.test and third.test (TLS 1.2) end handshakes themselves."""
    for server in _bank.servers.values():
        server.reset()
        server.drop_connections()
    _bank.upstream.answer = _bank.servers["third.test"].answer = greet
    return _bank


HOSTS = ["api.test", "other.test", "third.test"]


def connect(world, pair, *, hosts=HOSTS, **value):
    return world.daemon.connect(type="CERTIFICATE", value={"certificate": pair[0], "key": pair[1], **value},
                                config={"hosts": hosts})


def call(world, connection, host="other.test", **options):
    return world.call(host=host, connection=connection["id"], token=world.all, **options)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("host", HOSTS)
def test_the_certificate_is_shown(bank, clients, kind, host):
    response = call(bank, connect(bank, clients.client(f"step-{kind}", key=KEYS[kind])), host)
    assert response.status == 200, response.body
    assert f"step-{kind}" in response.body.decode()


def test_a_chain_and_an_encrypted_key_do(bank, clients):
    under = clients.intermediate("Below")
    certificate, key = clients.client("deep", under=under, passphrase="open sesame")
    made = connect(bank, (certificate + under[0].read_text(), key), passphrase="open sesame")
    assert "CN=deep" in call(bank, made).body.decode()
    assert made["account"] == "CN=deep"
    assert "open sesame" not in json.dumps(made) and "PRIVATE" not in json.dumps(made)


def test_a_service_that_says_no_in_http_is_relayed(bank):
    plain = bank.daemon.connect(config={"hosts": HOSTS})
    response = call(bank, plain)
    assert response.status == 400 and b"No required SSL certificate" in response.body


@row("upstream-tls")
@pytest.mark.parametrize("host", ["api.test", "third.test"])
def test_a_certificate_that_the_service_does_not_take_is_502(bank, tmp_path, host):
    stranger = Authority(tmp_path / "strangers", "Strangers").client("stranger")
    response = call(bank, connect(bank, stranger), host)
    assert (response.status, response.code) == (502, "upstream-tls")
    assert "certificate" in response.json()["detail"]
    assert response.fields.get("x-should-retry") == "false"
    assert not bank.servers[host].requests


@row("upstream-tls")
def test_a_service_that_demands_one_and_gets_none_is_502(bank):
    response = call(bank, bank.daemon.connect(config={"hosts": HOSTS}), "api.test")
    assert (response.status, response.code) == (502, "upstream-tls")
    assert "CERTIFICATE" in response.json()["detail"]


def test_the_service_is_verified_as_ever(bank, clients):
    made = connect(bank, clients.client("careful"), hosts=["wrong.test"])
    response = call(bank, made, "wrong.test")
    assert (response.status, response.code) == (502, "upstream-certificate")
    assert not bank.servers["wrong.test"].requests


def test_a_service_that_asks_for_none_is_shown_none(bank, clients):
    assert call(bank, connect(bank, clients.client("quiet"), hosts=["plain.test"]), "plain.test").status == 200


def test_neither_connections_nor_sessions_are_shared(bank, clients):
    one, two = connect(bank, clients.client("one")), connect(bank, clients.client("two"))
    seen = [call(bank, who).body.decode().split() for who in (one, two, one, two)]
    assert [name for name, *_ in seen] == ["CN=one", "CN=two"] * 2
    assert seen[0][1] == seen[2][1] and seen[1][1] == seen[3][1]  # kept, each its own
    assert seen[0][1] != seen[1][1]
    assert [reused for _, _, reused, *_ in seen[:2]] == [".", "."]


def test_a_new_certificate_is_shown_at_once_and_the_old_connection_is_closed(bank, clients):
    made = connect(bank, clients.client("old"))
    for host in ("other.test", "api.test"):
        assert "old" in call(bank, made, host).body.decode()
    assert bank.upstream._open
    new = clients.client("new")
    changed = bank.daemon.api("POST", f"/api/v1/connections/{made['id']}/rotate",
                              {"value": {"certificate": new[0], "key": new[1]}})
    assert changed.status == 200, changed.body
    until(lambda: not bank.upstream._open, what="the old connection's end")
    for host in ("other.test", "api.test"):
        assert "new" in call(bank, made, host).body.decode()


def test_revocation_closes_its_connections(bank, clients):
    made = connect(bank, clients.client("gone"))
    assert call(bank, made, "api.test").status == 200
    assert bank.upstream._open
    assert bank.daemon.api("POST", f"/api/v1/connections/{made['id']}/revoke").status == 200
    until(lambda: not bank.upstream._open, what="the connection's end")
    assert call(bank, made, "api.test").code == "connection-revoked"


@pytest.mark.parametrize("field, wrong", [
    ("certificate", lambda c, k: {"certificate": "no certificate", "key": k}),
    ("certificate", lambda c, k: {"certificate": k, "key": k}),
    ("certificate", lambda c, k: {"key": k}),
    ("certificate", lambda c, k: {"certificate": c + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "key": k}),
    ("key", lambda c, k: {"certificate": c, "key": "no key"}),
    ("key", lambda c, k: {"certificate": c, "key": c}),
    ("key", lambda c, k: {"certificate": c, "key": ""})])
def test_what_cannot_be_shown_is_refused_with_its_place(bank, clients, field, wrong):
    value = wrong(*clients.client("bad"))
    refused = bank.daemon.api("POST", "/api/v1/connections", {
        "name": "Bad", "app": "http", "type": "CERTIFICATE", "value": value, "config": {"hosts": ["api.test"]}})
    assert refused.status == 400
    assert [error["pointer"] for error in refused.json()["errors"]] == [f"/value/{field}"]
    for text in value.values():
        for line in text.splitlines()[1:-1]:
            assert line not in refused.body.decode()


def test_keys_of_others_expired_certificates_and_passphrases_are_looked_at(bank, clients):
    certificate, key = clients.client("right")
    locked = clients.client("locked", passphrase="open sesame")
    for pair, more, pointer in (((certificate, clients.client("other")[1]), {}, "/value/key"),
                                (clients.client("late", days=-1), {}, "/value/certificate"),
                                (locked, {}, "/value/passphrase"),
                                (locked, {"passphrase": "abracadabra"}, "/value/passphrase"),
                                (clients.client("weak", key=("-newkey", "rsa:1024")), {}, "/value/certificate")):
        refused = bank.daemon.api("POST", "/api/v1/connections", {
            "name": "Bad", "app": "http", "type": "CERTIFICATE", "config": {"hosts": ["api.test"]},
            "value": {"certificate": pair[0], "key": pair[1], **more}})
        assert (refused.status, refused.json()["errors"][0]["pointer"]) == (400, pointer)
    made = connect(bank, (certificate, key))
    rotated = bank.daemon.api("POST", f"/api/v1/connections/{made['id']}/rotate",
                              {"value": {"certificate": certificate, "key": clients.client("other")[1]}})
    assert (rotated.status, rotated.json()["errors"][0]["pointer"]) == (400, "/value/key")


def test_rules_stand_beside_it_and_the_key_is_in_none(bank, clients):
    certificate, key = clients.client("both")
    body = {"name": "Both", "app": "http", "type": "CERTIFICATE",
            "value": {"certificate": certificate, "key": key, "apiKey": "k-123456"},
            "config": {"hosts": ["other.test"], "inject": [{"header": "X-Api-Key", "value": "${apiKey}"}]}}
    made = bank.daemon.api("POST", "/api/v1/connections", body)
    assert made.status == 201, made.body
    words = call(bank, made.json()).body.decode().split()
    assert (words[0], words[3]) == ("CN=both", "k-123456")
    body["config"]["inject"] = [{"form": "k", "value": "${key}"}]
    assert bank.daemon.api("POST", "/api/v1/connections", body).status == 400


def test_the_test_verb_shows_the_certificate(bank, clients, tmp_path):
    def entry(pair):
        return bank.daemon.connect(app="acme-bank", type="CERTIFICATE", config={},
                                   value={"certificate": pair[0], "key": pair[1], "apiKey": "k-123456"})

    made = entry(clients.client("tester"))
    result = bank.daemon.verb("connections", "test", made["id"])
    assert result.returncode == 0, result.stdout + result.stderr
    assert bank.upstream.last().fields.get("x-api-key") == "k-123456"
    stranger = entry(Authority(tmp_path / "strangers", "Strangers").client("stranger"))
    tested = bank.daemon.api("POST", f"/api/v1/connections/{stranger['id']}/test").json()
    assert (tested["ok"], tested["reason"]) == (False, "credentials_rejected")
    rotated = bank.daemon.api("POST", f"/api/v1/connections/{made['id']}/rotate", {"value": dict(
        zip(("certificate", "key"), Authority(tmp_path / "others", "Others").client("x")), apiKey="k-1")})
    assert rotated.status >= 400
    assert call(bank, made, "api.test").body == b"tester"


def test_explain_tells_of_the_handshake_and_of_nothing_in_the_head(bank, clients):
    made = connect(bank, clients.client("told"))
    told = bank.daemon.api("POST", "/api/v1/explain", {"method": "GET", "url": "http://api.test/", "connection": made["id"]})
    assert told.status == 200, told.body
    step = next(s for s in told.json()["steps"] if s["name"] == "inject")
    assert "certificate" in step["rule"]


def test_a_certificate_may_come_from_files(make_daemon, clients, ca, leaf, tmp_path):
    certificate, key = clients.client("filed")
    (tmp_path / "c.pem").write_text(certificate)
    (tmp_path / "k.pem").write_text(key)
    server = strict(leaf, clients)
    server.answer = greet
    settings = world_settings(server, ca)
    settings["connections"] = [{"alias": "filed", "app": "http", "type": "CERTIFICATE", "config": {"hosts": ["api.test"]},
                                "value": {"certificate": {"file": str(tmp_path / "c.pem")},
                                          "key": {"file": str(tmp_path / "k.pem")}}}]
    world = World(make_daemon(settings), server, ca)
    response = world.call(connection="filed", token=world.daemon.token("*"))
    assert (response.status, response.body) == (200, b"filed")
    (tmp_path / "k.pem").write_text(clients.client("other")[1])
    refused = world.daemon.verb("reload")
    assert refused.returncode == 78 and "value.key" in refused.stderr, refused.stderr
    assert world.daemon.stop() == 0
    server.stop()
