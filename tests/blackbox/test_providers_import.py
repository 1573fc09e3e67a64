"""From an OpenAPI document to a call: import, look, enable, connect, call."""
import json

import pytest
from conftest import merged, world_settings
from kit.http1 import Client, basic

DOCUMENT = """openapi: 3.1.0
info: {title: Test Shop, version: "1"}
servers: [{url: "https://api.test/v1"}]
security: [{shop_key: []}]
paths: {/orders: {get: {}}}
components:
  securitySchemes:
    shop_key: {type: apiKey, in: header, name: X-Shop-Key}
    old: {type: http, scheme: hoba}
"""


@pytest.fixture
def shop(make_daemon, make_upstream, ca, tmp_path):
    """A started daemon, and the document as a file."""
    upstream = make_upstream()
    daemon = make_daemon(world_settings(upstream, ca)).init().start()
    daemon.upstream = upstream
    daemon.document = tmp_path / "shop.yaml"
    daemon.document.write_text(DOCUMENT)
    return daemon


def done(result):
    assert result.returncode == 0, result.stderr
    return result.stdout


def connect(daemon):
    return daemon.verb("connections", "create", "--app", "test-shop", "--alias", "shop", "--from-stdin",
                       input='{"apiKey":"shop-canary-1"}')


def call(daemon, path="/v1/orders"):
    token = daemon.token("*")
    with Client(daemon.proxy) as client:
        client.send(f"GET http://api.test{path} HTTP/1.1\r\nHost: api.test\r\nX-Connection-Id: shop\r\n"
                    f"Proxy-Authorization: {basic('-', token)}\r\n\r\n")
        return client.response()


def test_a_document_becomes_a_call_with_the_right_header(shop):
    said = done(shop.verb("providers", "import", shop.document))
    assert "hosts that may see its secrets: api.test/v1" in said
    assert "shop_key  API_KEY  1 operation" in said
    assert "the http scheme 'hoba' is not known here" in said
    assert "postern providers enable test-shop" in said
    assert connect(shop).returncode == 1, "a draft is no provider yet"
    shown = done(shop.verb("providers", "show", "test-shop"))
    assert "# a draft" in shown and "X-Shop-Key" in shown
    done(shop.verb("providers", "enable", "test-shop"))
    done(connect(shop))
    assert call(shop).status == 200
    seen = shop.upstream.last()
    assert seen.fields.all("x-shop-key") == ["shop-canary-1"] and seen.target == "/v1/orders"
    refused = call(shop, "/v2/orders")
    assert (refused.status, refused.code) == (403, "destination-not-allowed")


def test_it_lasts_over_a_restart_and_a_reload_and_lists_name_it(shop):
    done(shop.verb("providers", "import", shop.document))
    assert shop.cli("__complete", "--config", shop.config, "providers", "enable", "test-").stdout == "test-shop\n"
    rows = {row["id"]: row for row in json.loads(done(shop.verb("providers", "list", "-o", "json")))["data"]}
    assert rows["test-shop"]["source"] == "IMPORTED" and rows["test-shop"]["enabled"] is False
    assert rows["stripe"]["source"] == "SHIPPED" and rows["stripe"]["enabled"] is True
    done(shop.verb("providers", "enable", "test-shop"))
    done(connect(shop))
    done(shop.verb("reload"))
    assert call(shop).status == 200
    shop.stop()
    shop.start()
    assert call(shop).status == 200
    assert "import" in done(shop.verb("-o", "json", "vault", "verify"))


def test_disabling_stops_the_calls_and_a_used_one_is_not_deleted(shop):
    done(shop.verb("providers", "import", shop.document))
    done(shop.verb("providers", "enable", "test-shop"))
    done(connect(shop))
    refused = shop.verb("providers", "delete", "test-shop")
    assert refused.returncode == 1 and "It is in use" in refused.stderr
    done(shop.verb("providers", "disable", "test-shop"))
    answer = call(shop)
    assert (answer.status, answer.code) == (403, "connection-error")
    done(shop.verb("providers", "enable", "test-shop"))
    assert call(shop).status == 200
    done(shop.verb("connections", "delete", "shop", "--yes"))
    done(shop.verb("providers", "delete", "test-shop"))
    assert shop.verb("providers", "show", "test-shop").returncode == 3


def test_a_file_that_takes_the_id_is_refused_by_a_reload(shop, tmp_path):
    done(shop.verb("providers", "import", shop.document))
    done(shop.verb("providers", "enable", "test-shop"))
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "test-shop.yaml").write_text("{id: test-shop, hosts: [other.test], auth: {a: {type: BEARER}}}")
    settings = json.loads(shop.config.read_text())
    shop.config.write_text(json.dumps(merged(settings, {"catalog": [str(folder)]})))
    refused = shop.verb("reload")
    assert refused.returncode == 78 and "test-shop" in refused.stderr
    done(connect(shop))
    assert call(shop).status == 200


def test_a_url_is_fetched_with_its_certificate_checked(shop, make_upstream, ca):
    from kit.upstream import answer
    site = make_upstream()
    site.answer = answer(DOCUMENT.encode(), "200 OK", "Content-Type: application/yaml")
    url = f"https://localhost:{site.address.rsplit(':', 1)[1]}/openapi.yaml"
    unknown = shop.verb("providers", "import", url)
    assert unknown.returncode == 5 and "certificate not accepted" in unknown.stderr
    trusted = {"SSL_CERT_FILE": str(ca.pem)}
    assert "imported test-shop" in done(shop.verb("providers", "import", url, environment=trusted))
    site.answer = answer(b"", "302 Found", "Location: https://other.test/openapi.yaml")
    moved = shop.verb("providers", "import", url, environment=trusted)
    assert moved.returncode == 1 and "https://other.test/openapi.yaml" in moved.stderr


def test_mistakes_name_the_file_and_the_place(shop):
    shop.document.write_text("openapi: 3.1.0\nx: &a 1\n")
    result = shop.verb("providers", "import", shop.document)
    assert result.returncode == 1 and "shop.yaml:2:4: YAML anchors are not read" in result.stderr
