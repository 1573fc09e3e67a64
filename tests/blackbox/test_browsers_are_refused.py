"""No web page drives the proxy port or the admin port."""
import pytest
from kit import row


@row("browser-request-refused")
@pytest.mark.parametrize("field", ["Origin: https://evil.test", "Origin: null", "Sec-Fetch-Site: cross-site",
                                   "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: same-site"])
def test_a_web_pages_request_on_the_proxy_port_is_403(world, field):
    for options in ({}, {"target": "/c/api/", "host": world.daemon.proxy}):
        response = world.call(fields=[field], **options)
        assert (response.status, response.code) == (403, "browser-request-refused")
        assert "access-control-allow-origin" not in response.fields
    assert not world.upstream.requests


def test_sec_fetch_site_none_is_no_web_page(world):
    assert world.call(fields=["Sec-Fetch-Site: none"]).status == 200


@row("browser-request-refused")
@pytest.mark.parametrize("host", ["evil.test", "evil.test:8480", "api.test"])
def test_a_rebound_name_on_the_proxy_port_is_403(world, host):
    response = world.call(target="/c/api/", host=host)
    assert (response.status, response.code) == (403, "browser-request-refused")
    assert not world.upstream.requests


def test_localhost_names_the_proxy_port(world):
    port = world.daemon.proxy.split(":")[1]
    assert world.call(target="/c/api/", host=f"localhost:{port}").status == 200


@pytest.mark.parametrize("headers", [
    {"Host": "evil.test"}, {"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"},
    {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "same-site"},
])
def test_a_browser_attack_on_the_admin_port_is_403(world, headers):
    answer = world.daemon.api("GET", "/api/v1/connections", headers=headers)
    assert answer.status == 403
    assert answer.fields["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
def test_a_form_post_on_the_admin_port_is_403(world, kind):
    answer = world.daemon.api("POST", "/api/v1/connections", b"name=x", headers={"Content-Type": kind})
    assert answer.status == 403
