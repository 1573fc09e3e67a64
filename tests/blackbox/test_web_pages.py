"""Pages of an attacker in a real browser, on the machine where postern runs. Whatever they try is refused."""
import json

import pytest
from kit import until
from kit.contract import contract
from kit.crossroads import Chromium, Crossroads

BODY = {"name": "Stolen", "app": "http", "type": "BEARER", "value": {"token": "stolen-secret"},
        "config": {"hosts": ["evil.test"]}}

# Every attempt names itself in its target, so that its arrival can be seen.
PAGE = """<!doctype html><title>a page</title><body><script>
const body = BODY, token = "TOKEN", done = {};
const wait = (what, event) => new Promise(go => { what.addEventListener(event, go); what.addEventListener("error", go) });
const silence = () => new Promise(go => setTimeout(go, 3000, "silence"));  // a blocked frame may say nothing
async function attempt(name, run) {
  try { done[name] = String(await Promise.race([run(), silence()])) } catch (error) { done[name] = "error" }
}
const get = (where, name, more) => fetch(where + "/api/v1/connections?attack=" + name, more)
  .then(answer => answer.type + " " + answer.status);
const post = (where, name, type, more) => get(where, name, {method: "POST", body: JSON.stringify(body),
  headers: {...(type ? {"Content-Type": type} : {}), ...(more || {})}, credentials: "include"});
function form(where, name, type) {
  const frame = document.body.appendChild(document.createElement("iframe"));
  frame.name = name;
  const form = document.body.appendChild(document.createElement("form"));
  Object.assign(form, {method: "post", enctype: type, target: name, action: where + "/api/v1/connections?attack=" + name});
  const field = form.appendChild(document.createElement("input"));
  field.name = '{"name": "Stolen", "x": "';  // as text/plain this is JSON to who does not look at the type
  field.value = '"}';
  form.submit();
  return wait(frame, "load").then(() => "loaded");
}
const element = (kind, where, name) => {
  const one = document.createElement(kind);
  one.src = where + "/api/v1/connections?attack=" + name;
  document.body.appendChild(one);
  return wait(one, "load").then(event => event.type);
};
const socket = (where, name) => new Promise(go => {
  const one = new WebSocket(where.replace("http", "ws") + "/api/v1/status?attack=" + name);
  one.onopen = () => go("open");
  one.onerror = () => go("refused");
});
const report = () => fetch("/report", {method: "POST", body: JSON.stringify(done)});
async function main() { ATTEMPTS; await report(); await fetch("/report", {method: "POST", body: '{"end": "end"}'}) }
main();
</script>"""

FOREIGN = {  # from the attacker's own origin
    "no-cors-get": 'get(to, name, {mode: "no-cors", credentials: "include"})',
    "no-cors-text": 'get(to, name, {mode: "no-cors", method: "POST", body: JSON.stringify(body)})',
    "cors-get": "get(to, name)",
    "cors-json": 'post(to, name, "application/json")',
    "cors-token": 'post(to, name, "application/json", {Authorization: "Bearer " + token})',
    "form-plain": 'form(to, name, "text/plain")',
    "form-urlencoded": 'form(to, name, "application/x-www-form-urlencoded")',
    "form-multipart": 'form(to, name, "multipart/form-data")',
    "image": 'element("img", to, name)',
    "script": 'element("script", to, name)',
    "frame": 'element("iframe", to, name)',
    "beacon": 'navigator.sendBeacon(to + "/api/v1/connections?attack=" + name, new Blob([JSON.stringify(body)]))',
    "socket": "socket(to, name)",
}
OWN = {  # from a name that leads to the daemon by now: for the browser it is the page's own origin
    "get": "get(to, name)",
    "token": 'get(to, name, {headers: {Authorization: "Bearer " + token}})',
    "json": 'post(to, name, "application/json", {Authorization: "Bearer " + token})',
    "socket": "socket(to, name)",
}


def page(attempts, to, prefix, token):
    calls = "".join(f'await attempt("{prefix}{name}", async () => {{ const name = "{prefix}{name}", to = "{to}"; '
                    f'return {code} }});\n' for name, code in attempts.items())
    return PAGE.replace("BODY", json.dumps(BODY), 1).replace("TOKEN", token, 1).replace("ATTEMPTS", calls)


@pytest.fixture(scope="module", params=["admin", "proxy"])
def attacked(request, _world):
    """Both pages were open in the browser, with a valid token in their hands; what came of it."""
    daemon, upstream = _world.daemon, _world.upstream
    upstream.reset()
    before = daemon.api("GET", "/api/v1/connections?limit=100").json()["data"]
    port = getattr(daemon, request.param).rsplit(":", 1)[1]
    pages = {"/evil": page(FOREIGN, f"http://127.0.0.1:{port}", "foreign-", daemon.admin_token),
             "/rebound": page(OWN, f"http://rebound.test:{port}", "own-", daemon.admin_token)}
    crossroads = Crossroads(pages, {port})
    try:
        for url in ("http://evil.test/evil", f"http://rebound.test:{port}/rebound"):
            browser = Chromium(crossroads.address)
            crossroads.reports.pop("end", None)
            browser.open(url)
            try:
                until(lambda: "end" in crossroads.reports, 60, f"the page at {url} to have tried everything")
            finally:
                browser.close()
    finally:
        crossroads.stop()
    after = daemon.api("GET", "/api/v1/connections?limit=100").json()["data"]
    return request.param, crossroads, before, after, list(upstream.requests)


def attempt_of(exchange):
    return exchange["target"].partition("attack=")[2]


def test_every_attempt_reached_the_port(attacked):
    """Or a browser that stops them itself would be what is tested."""
    arrived = {attempt_of(exchange) for exchange in attacked[1].exchanges}
    assert arrived >= {f"foreign-{name}" for name in FOREIGN} | {f"own-{name}" for name in OWN}


def test_every_attempt_is_403(attacked):
    which, crossroads, *_ = attacked
    for exchange in crossroads.exchanges:
        at = (attempt_of(exchange), exchange["method"], exchange["sent"], exchange["status"], exchange["body"][:200])
        if exchange["target"] == "/favicon.ico":
            continue
        assert exchange["status"] in ((403,) if which == "admin" else (400, 403)), at
        if exchange["status"] == 403:
            assert json.loads(exchange["body"])["code"] == "browser-request-refused", at


def test_no_answer_lets_a_page_read_it(attacked):
    for exchange in attacked[1].exchanges:
        assert not [name for name, _ in exchange["fields"] if name.lower().startswith("access-control-")]
    for name, came in attacked[1].reports.items():
        assert came in ("end", "error", "refused", "loaded", "load", "silence", "true", "opaque 0", "basic 403", "basic 400"), (name, came)


def test_nothing_has_changed_and_nothing_has_left(attacked):
    _, _, before, after, requests = attacked
    assert before == after and not requests


def test_the_admin_ports_answers_are_as_documented(attacked):
    which, crossroads, *_ = attacked
    for exchange in crossroads.exchanges if which == "admin" else ():
        if exchange["target"] != "/favicon.ico":
            assert contract().check(exchange["method"], exchange["target"], exchange["status"], exchange["fields"],
                                    exchange["body"]) == []
