"""From a link to a connection, by a person's browser (DESIGN section 10, "A link opens on our own page").

What is relied on where the design leaves it open:
  POST /api/v1/links {"authConfig", "name", "alias"?, "connection"?, "expiresIn"?, …} → 201 {"id": "link_…", "url": "<public_url>/connect/<id>",
    "status": "PENDING", "reason", "text", "provider", "authConfig", "name", "connection": null, "account": null, "created", "expires"}
  GET /api/v1/links/{id}: status PENDING, OPENED, RETURNED, ACTIVE, FAILED (reason denied, provider_error, wrong_issuer, exchange_failed,
    account_mismatch, cancelled) or EXPIRED; DELETE cancels
  GET  /connect/<id>            page, cookie postern_connect, a form to itself; changes nothing
  POST /connect/<id>            303 to the provider; 403 without the cookie
  GET  /oauth/callback          page with the forms …/confirm and …/cancel, hidden field `confirm`
  POST /connect/<id>/confirm    page; the connection is there
  GET  /connect?connection=<id> the page a caller's `connectUrl` leads to; its form takes `token` and makes a link
Refusals are pages too: unknown or used link 404, expired 410, no or foreign cookie 403, state unknown or used 400, denied and wrong issuer
400, other account 409, a failed exchange 502. public_url is the bound admin address where it is not set.
"""
import base64
import copy
import hashlib
import html
import re
import subprocess
import threading
import urllib.parse

import pytest
from kit import until
from kit.daemon import binary, clean_environment
from kit.oauth import OAUTH, entry, utc
from kit.token_server import FAULTS


def link(oauth, **members):
    body = {"authConfig": oauth.auth_config["id"], "name": "Ada's Acme", **members}
    return oauth.made("/api/v1/links", {k: v for k, v in body.items() if v is not None})


def state_of(oauth, made):
    answer = oauth.daemon.api("GET", f"/api/v1/links/{made['id']}")
    assert answer.status == 200, answer.body
    return answer.json()


def open_link(browser, made):
    """Our page, its button, and the provider's answer: a redirect to the callback."""
    page = browser.get(made["url"])
    assert page.status == 200, page.text
    leaving = browser.submit(page.form(f"/connect/{made['id']}"))
    assert leaving.status == 303, leaving.text
    back = browser.follow(leaving)
    assert back.status == 302, back.text
    return back


def come_back(browser, made):
    """The page after the callback."""
    return browser.follow(open_link(browser, made))


def agree(browser, made):
    page = come_back(browser, made)
    assert page.status == 200, page.text
    return browser.submit(page.form("/confirm"))


def connections(oauth):
    return oauth.daemon.api("GET", "/api/v1/connections").json()["data"]


def query_of(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query, keep_blank_values=True))


def is_page(page):
    """One of ours: no script, no frame, nothing kept, nothing told to others."""
    assert page.fields["content-type"] == "text/html; charset=utf-8"
    assert page.fields["cache-control"] == "no-store"
    assert page.fields["referrer-policy"] == "no-referrer"
    assert page.fields["x-frame-options"] == "DENY"
    policy = page.fields["content-security-policy"]
    assert "frame-ancestors 'none'" in policy and "default-src 'none'" in policy and "script" not in policy
    assert "<script" not in page.text.lower() and "javascript:" not in page.text.lower()
    return page


# --- the whole way -------------------------------------------------------------------------------------------------------
def test_a_link_leads_to_an_active_connection(oauth):
    made = link(oauth, alias="ada", endUser="ada", tags=["x"])
    assert (made["status"], made["connection"], made["provider"]) == ("PENDING", None, "acme")
    assert made["url"] == f"http://{oauth.daemon.admin}/connect/{made['id']}"
    assert utc(500) < made["expires"] < utc(601)
    browser = oauth.browser()

    page = is_page(browser.get(made["url"]))
    assert page.status == 200
    for shown in ("Acme", "Ada's Acme", "org_default", "proj_default"):
        assert shown in html.unescape(page.text)
    assert state_of(oauth, made)["status"] == "PENDING", "a preview changes nothing"

    leaving = browser.submit(page.form())
    assert leaving.status == 303 and leaving.location.startswith("https://login.test/authorize?")
    assert state_of(oauth, made)["status"] == "OPENED"
    back = browser.follow(leaving)

    returned = is_page(browser.follow(back))
    assert returned.status == 200
    for shown in ("Acme", "acct-1", "org_default", "proj_default"):
        assert shown in returned.text
    assert (state_of(oauth, made)["status"], state_of(oauth, made)["account"]) == ("RETURNED", "acct-1")
    assert connections(oauth) == [], "nothing before the click"

    done = is_page(browser.submit(returned.form("/confirm")))
    assert done.status == 200 and "acct-1" in done.text
    state = state_of(oauth, made)
    assert state["status"] == "ACTIVE"
    shown = oauth.show(state["connection"])
    assert (shown["status"], shown["account"], shown["alias"], shown["name"]) == ("ACTIVE", "acct-1", "ada", "Ada's Acme")
    assert (shown["type"], shown["endUser"], shown["tags"]) == ("OAUTH2", "ada", ["x"])
    assert shown["authConfig"] == oauth.auth_config["id"] and utc(3500) < shown["expires"] < utc(3601)
    assert oauth.call(shown["id"]).json() == {"id": "acct-1"}
    assert [form["grant_type"] for form in oauth.server.token_requests] == ["authorization_code"]


def test_the_connection_is_renewed_with_what_the_provider_gave(oauth):
    oauth.provider.rotation = "rotate"
    made = link(oauth)
    agree(oauth.browser(), made)
    id = state_of(oauth, made)["connection"]
    assert oauth.call(id).status == 200
    oauth.provider.spoil(oauth.api.token_of(oauth.api.requests[-1]))
    assert oauth.call(id).status == 200
    assert [form["grant_type"] for form in oauth.server.token_requests] == ["authorization_code", "refresh_token"]


def test_what_the_provider_is_asked(oauth):
    agree(oauth.browser(), link(oauth))
    asked, form = oauth.server.authorizations[0], oauth.server.token_requests[0]
    assert asked["response_type"] == "code" and asked["client_id"] == "acme-client"
    assert asked["redirect_uri"] == form["redirect_uri"] == f"http://{oauth.daemon.admin}/oauth/callback"
    assert asked["scope"] == "read write"
    assert asked["code_challenge_method"] == "S256" and len(asked["state"]) >= 22
    verifier = form["code_verifier"]
    assert re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier)
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert asked["code_challenge"] == digest
    assert "client_secret" not in asked and verifier not in asked.values()
    assert (form["grant_type"], form["code"]) == ("authorization_code", query_of(oauth.server.redirected[0])["code"])


def test_public_url_is_where_links_lead_and_the_provider_comes_back(make_oauth):
    oauth = make_oauth(settings={"admin": {"public_url": "https://gate.test"}})
    made = link(oauth)
    assert made["url"] == f"https://gate.test/connect/{made['id']}"
    browser, inside = oauth.browser(), {"Host": "gate.test"}
    at = f"http://{oauth.daemon.admin}"  # the plain side of whatever serves gate.test
    page = browser.get(at + f"/connect/{made['id']}", headers=inside)
    cookie = browser.set_cookies[-1].lower()
    assert page.status == 200 and cookie.startswith("__host-postern_connect=") and "; secure" in cookie
    leaving = browser.fetch(at + f"/connect/{made['id']}", "POST", {}, {**inside, "Origin": "https://gate.test"})
    assert leaving.status == 303
    assert query_of(leaving.fields["location"])["redirect_uri"] == "https://gate.test/oauth/callback"


def test_scopes_of_the_auth_config_and_of_the_link(oauth):
    config = oauth.new_auth_config(name="Narrow", scopes=["read"])
    agree(oauth.browser(), link(oauth, authConfig=config["id"]))
    agree(oauth.browser(), link(oauth, authConfig=config["id"], scopes=["read", "extra"]))
    assert [asked["scope"] for asked in oauth.server.authorizations] == ["read", "read extra"]


def test_params_and_separators_of_the_entry(make_oauth):
    auth = copy.deepcopy(OAUTH)
    auth["authorize"].update(params={"access_type": "offline", "prompt": "consent"}, scope_separator=",", pkce="none")
    oauth = make_oauth(entries=[entry({"oauth": auth})])
    assert agree(oauth.browser(), link(oauth)).status == 200
    asked = oauth.server.authorizations[0]
    assert (asked["access_type"], asked["prompt"], asked["scope"]) == ("offline", "consent", "read,write")
    assert "code_challenge" not in asked and "code_verifier" not in oauth.server.token_requests[0]


def test_the_account_comes_from_verify_where_the_answer_names_none(make_oauth):
    auth = {k: v for k, v in OAUTH.items() if k != "answer"}
    oauth = make_oauth(entries=[entry({"oauth": auth})])
    made = link(oauth)
    assert "acct-1" in come_back(oauth.browser(), made).text
    assert state_of(oauth, made)["account"] == "acct-1"


def test_a_callback_may_be_a_form_post(oauth):
    made, browser = link(oauth), oauth.browser()
    back = query_of(open_link(browser, made).location)
    page = browser.fetch(f"http://{oauth.daemon.admin}/oauth/callback", "POST", back,
                         {"Origin": "https://login.test", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    assert page.status == 200, page.text
    assert browser.submit(page.form("/confirm")).status == 200
    assert state_of(oauth, made)["status"] == "ACTIVE"


def test_links_that_are_wrong_are_refused_with_pointers(oauth):
    def wrong(status=400, **body):
        answer = oauth.daemon.api("POST", "/api/v1/links", body)
        assert answer.status == status, answer.body
        return [error["pointer"] for error in answer.json().get("errors", [])]

    assert wrong(authConfig="ac_00000000000000000000") == ["/authConfig"]
    assert wrong(provider="nobody") == ["/provider"]
    assert wrong(authConfig=oauth.auth_config["id"], expiresIn=601) == ["/expiresIn"]
    assert wrong(authConfig=oauth.auth_config["id"], expiresIn=0) == ["/expiresIn"]
    assert wrong(authConfig=oauth.auth_config["id"], connection="conn_00000000000000000000") == ["/connection"]
    assert wrong(authConfig=oauth.auth_config["id"], surprise=1) == ["/surprise"]
    token = oauth.daemon.token()
    assert oauth.daemon.api("POST", "/api/v1/links", {"authConfig": oauth.auth_config["id"]}, token=token).status == 403


# --- state, cookie, order ------------------------------------------------------------------------------------------------
def test_the_cookie_is_host_only_http_only_and_lax(oauth):
    browser = oauth.browser()
    browser.get(link(oauth)["url"])
    parts = [part.strip().lower() for part in browser.set_cookies[0].split(";")]
    assert parts[0].startswith("postern_connect=") and len(parts[0]) > 16 + 20
    assert {"httponly", "samesite=lax", "path=/"} <= set(parts)
    assert not any(part.startswith("domain") for part in parts)


def test_a_state_works_once(oauth):
    made, browser = link(oauth), oauth.browser()
    back = open_link(browser, made)
    assert browser.follow(back).status == 200
    assert is_page(browser.follow(back)).status == 400
    assert len(oauth.server.token_requests) == 1
    assert state_of(oauth, made)["status"] == "RETURNED", "the first one still waits for its click"


def test_a_state_of_another_browser_is_refused_and_stays_good_for_its_own(oauth):
    made, browser, thief = link(oauth), oauth.browser(), oauth.browser()
    back = open_link(browser, made)
    assert is_page(thief.follow(back)).status == 403
    thief.get(link(oauth)["url"])  # with a cookie of its own
    assert thief.follow(back).status == 403
    assert oauth.server.token_requests == []
    assert browser.follow(back).status == 200


def test_a_state_that_nobody_gave_out_is_refused(oauth):
    browser = oauth.browser()
    browser.get(link(oauth)["url"])
    for query in ("state=made-up&code=x", "code=x", "state=&code=x", "", "state=a&state=b&code=x"):
        assert is_page(browser.get(f"http://{oauth.daemon.admin}/oauth/callback?{query}")).status == 400, query
    assert oauth.server.token_requests == []


def test_a_second_opening_makes_the_first_state_void(oauth):
    made, browser = link(oauth), oauth.browser()
    first, second = open_link(browser, made), open_link(browser, made)
    assert query_of(first.location)["state"] != query_of(second.location)["state"]
    assert browser.follow(first).status == 400
    assert browser.follow(second).status == 200


def test_states_of_two_links_do_not_mix(oauth):
    one, two, browser = link(oauth), link(oauth), oauth.browser()
    first = open_link(browser, one)
    assert agree(browser, two).status == 200
    assert state_of(oauth, two)["status"] == "ACTIVE" and state_of(oauth, one)["status"] == "OPENED"
    page = browser.follow(first)
    assert page.status in (200, 403), "one browser may hold one link at a time, or several"
    assert state_of(oauth, one)["status"] in ("RETURNED", "OPENED")


def test_the_buttons_need_the_cookie_and_the_hidden_field(oauth):
    made, browser, thief = link(oauth), oauth.browser(), oauth.browser()
    page = browser.get(made["url"])
    assert is_page(thief.submit(page.form())).status == 403
    returned = come_back(browser, made)
    form = returned.form("/confirm")
    assert is_page(thief.submit(form)).status == 403
    assert is_page(browser.submit(form, confirm="made-up")).status == 403
    assert connections(oauth) == [] and state_of(oauth, made)["status"] == "RETURNED"
    assert browser.submit(form).status == 200


def test_a_foreign_page_cannot_press_the_buttons(oauth):
    made, browser = link(oauth), oauth.browser()
    form = come_back(browser, made).form("/confirm")
    for headers in ({"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}):
        assert browser.fetch(form["action"], "POST", form["fields"], headers).status == 403
    assert connections(oauth) == []


def test_a_second_click_makes_no_second_connection(oauth):
    made, browser = link(oauth), oauth.browser()
    form = come_back(browser, made).form("/confirm")
    assert browser.submit(form).status == 200
    first = state_of(oauth, made)["connection"]
    assert browser.submit(form).status == 200
    assert [c["id"] for c in connections(oauth)] == [first] == [state_of(oauth, made)["connection"]]
    assert is_page(oauth.browser().get(made["url"])).status == 404, "a used link leads nowhere"


def test_the_person_may_cancel_and_the_tokens_are_given_back(oauth):
    made, browser = link(oauth), oauth.browser()
    page = come_back(browser, made)
    assert is_page(browser.submit(page.form("/cancel"))).status == 200
    assert (state_of(oauth, made)["status"], state_of(oauth, made)["reason"]) == ("FAILED", "cancelled")
    assert connections(oauth) == []
    until(lambda: all(family.revoked for family in oauth.provider.families()), what="the revocation")
    assert browser.submit(page.form("/confirm")).status in (403, 404)
    assert connections(oauth) == []


def test_a_link_ends_in_time(oauth):
    made, opened, browser = link(oauth, expiresIn=2), link(oauth, expiresIn=2), oauth.browser()
    back = open_link(browser, opened)
    until(lambda: state_of(oauth, made)["status"] == "EXPIRED" and state_of(oauth, opened)["status"] == "EXPIRED")
    assert is_page(browser.get(made["url"])).status == 410
    assert is_page(browser.follow(back)).status == 400
    assert oauth.server.token_requests == [] and connections(oauth) == []


def test_unknown_and_deleted_links_are_one_case(oauth):
    made, browser = link(oauth), oauth.browser()
    back = open_link(browser, made)
    assert oauth.daemon.api("DELETE", f"/api/v1/links/{made['id']}").status == 204
    assert oauth.daemon.api("GET", f"/api/v1/links/{made['id']}").status == 404
    gone, never = browser.get(made["url"]), browser.get(made["url"][:-20] + "0" * 20)
    assert gone.status == never.status == 404 and gone.text == never.text
    assert browser.follow(back).status == 400
    assert oauth.server.token_requests == []


def test_a_link_survives_a_restart(oauth):
    made, browser = link(oauth), oauth.browser()
    page = come_back(browser, made)
    form = page.form("/confirm")
    kept = urllib.parse.urlsplit(form["action"]).path
    oauth.daemon.kill()
    oauth.daemon.start()
    form["action"] = f"http://{oauth.daemon.admin}{kept}"
    assert browser.submit(form).status == 200
    assert state_of(oauth, made)["status"] == "ACTIVE"
    assert oauth.call(state_of(oauth, made)["connection"]).status == 200


# --- what goes wrong at the provider ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("error, reason", [("access_denied", "denied"), ("server_error", "provider_error"), ("<b>evil</b>", "provider_error")])
def test_a_provider_that_says_no(oauth, error, reason):
    oauth.server.denies = error
    made = link(oauth)
    page = is_page(come_back(oauth.browser(), made))
    assert page.status == 400 and "<b>evil" not in page.text
    assert (state_of(oauth, made)["status"], state_of(oauth, made)["reason"]) == ("FAILED", reason)
    assert oauth.server.token_requests == [] and connections(oauth) == []


@pytest.mark.parametrize("sent, status", [("https://login.test", 200), ("https://login.test/tenant", 200), ("https://evil.test", 400),
                                          ("http://login.test", 400), ("https://login.test.evil.test", 400)])
def test_an_issuer_is_compared_with_the_authorize_url_where_the_entry_names_none(oauth, sent, status):
    oauth.server.sent_issuer = sent
    made = link(oauth)
    assert is_page(come_back(oauth.browser(), made)).status == status
    if status == 400:
        assert (state_of(oauth, made)["status"], state_of(oauth, made)["reason"]) == ("FAILED", "wrong_issuer")
        assert oauth.server.token_requests == [], "the code is not sent to anybody"


@pytest.mark.parametrize("sent, status", [("https://login.test/tenant", 200), ("https://login.test/tenant/", 400), ("https://login.test", 400)])
def test_an_issuer_that_the_entry_names_is_compared_byte_for_byte(make_oauth, sent, status):
    auth = copy.deepcopy(OAUTH)
    auth["authorize"]["issuer"] = "https://login.test/tenant"
    oauth = make_oauth(entries=[entry({"oauth": auth})])
    oauth.server.sent_issuer = sent
    assert come_back(oauth.browser(), link(oauth)).status == status


@pytest.mark.parametrize("fault", ["invalid_grant", "500", "garbage", "huge", "redirect"])
def test_an_exchange_that_fails_says_so_and_makes_nothing(oauth, fault):
    oauth.server.fault = FAULTS[fault]
    made = link(oauth)
    page = is_page(come_back(oauth.browser(), made))
    assert page.status == 502
    assert (state_of(oauth, made)["status"], state_of(oauth, made)["reason"]) == ("FAILED", "exchange_failed")
    assert connections(oauth) == []


def test_an_auth_config_that_was_disabled_meanwhile(oauth):
    made, browser = link(oauth), oauth.browser()
    back = open_link(browser, made)
    path = f"/api/v1/auth_configs/{oauth.auth_config['id']}"
    assert oauth.daemon.api("PATCH", path, {"enabled": False}).status == 200
    assert is_page(browser.follow(back)).status >= 400
    assert oauth.server.token_requests == [] and connections(oauth) == []
    answer = oauth.daemon.api("POST", "/api/v1/links", {"authConfig": oauth.auth_config["id"]})
    assert (answer.status, answer.code) == (409, "auth-config-disabled")


# --- again ------------------------------------------------------------------------------------------------------------------
@pytest.fixture
def expired(oauth):
    """A connection whose refresh token Acme does not take any more."""
    made = link(oauth, alias="ada")
    agree(oauth.browser(), made)
    id = state_of(oauth, made)["connection"]
    oauth.call(id)
    for token in list(oauth.provider.refresh_tokens):
        oauth.provider.forget(token)
    oauth.provider.spoil(oauth.api.token_of(oauth.api.requests[-1]))
    oauth.call(id)
    assert oauth.show(id)["statusReason"] == "refresh_rejected"
    return id


def test_reconnecting_the_same_account_keeps_id_and_alias(oauth, expired):
    before = oauth.show(expired)
    made = link(oauth, connection=expired, authConfig=None, name=None)
    assert (made["connection"], made["authConfig"], made["provider"]) == (expired, oauth.auth_config["id"], "acme")
    assert agree(oauth.browser(), made).status == 200
    after = oauth.show(expired)
    assert (after["status"], after["statusReason"], after["account"]) == ("ACTIVE", None, "acct-1")
    assert after["generation"] > before["generation"] and after["alias"] == "ada"
    assert len(connections(oauth)) == 1
    assert oauth.call(expired).status == 200


def test_another_account_is_refused_and_changes_nothing(oauth, expired):
    before = oauth.show(expired)
    oauth.provider.account = "acct-2"
    made = link(oauth, connection=expired, authConfig=None, name=None)
    page = is_page(come_back(oauth.browser(), made))
    assert page.status == 409 and not page.forms
    assert (state_of(oauth, made)["status"], state_of(oauth, made)["reason"]) == ("FAILED", "account_mismatch")
    assert oauth.show(expired) == before


def test_a_connect_url_is_a_page_that_tells_nothing_and_takes_a_token(oauth, expired):
    url = f"http://{oauth.daemon.admin}/connect?connection="
    browser = oauth.browser()
    page, other = is_page(browser.get(url + expired)), browser.get(url + "conn_00000000000000000000")
    assert page.status == other.status == 200
    assert page.text.replace(expired, "ID") == other.text.replace("conn_00000000000000000000", "ID")
    assert f"postern connect --reconnect {expired}" in page.text
    assert browser.get(url + "%22%3E%3Cscript%3E").status in (400, 404)
    form = page.form("/connect")
    callers_own = oauth.daemon.token(expired)
    for token in (callers_own, "pst_made-up", ""):
        assert is_page(browser.submit(form, token=token)).status == 403
    assert browser.submit(other.form("/connect"), token=oauth.daemon.admin_token).status == 403
    leads = browser.submit(form, token=oauth.daemon.admin_token)
    assert leads.status == 303 and "/connect/link_" in leads.location and oauth.daemon.admin_token not in leads.location
    opened = browser.get(leads.location)
    assert opened.status == 200
    returned = browser.follow(browser.follow(browser.submit(opened.form())))
    assert browser.submit(returned.form("/confirm")).status == 200
    assert oauth.show(expired)["status"] == "ACTIVE"


def test_no_secret_of_the_flow_is_shown_or_logged(oauth):
    made, browser = link(oauth), oauth.browser()
    page = come_back(browser, made)
    done = browser.submit(page.form("/confirm"))
    seen = (page.body + done.body + oauth.daemon.api("GET", f"/api/v1/links/{made['id']}").body
            + oauth.daemon.api("GET", "/api/v1/connections").body + oauth.daemon.log_file.read_bytes())
    form, back = oauth.server.token_requests[0], query_of(oauth.server.redirected[0])
    secrets = [form["code"], form["code_verifier"], back["state"], "acme-client-secret", *oauth.provider.refresh_tokens,
               *oauth.provider.access_tokens, *(cookie.split("=", 1)[1].split(";")[0] for cookie in browser.set_cookies)]
    assert [secret for secret in secrets if secret and secret.encode() in seen] == []


# --- the command line -------------------------------------------------------------------------------------------------------
def run_connect(oauth, *arguments):
    """`postern connect`; its process and the link that it prints."""
    process = subprocess.Popen([binary(), "--config", str(oauth.daemon.config), "connect", *arguments], text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=oauth.daemon.folder,
                               env=clean_environment(oauth.daemon.home))
    lines = []
    reading = threading.Thread(target=lambda: lines.extend(iter(process.stderr.readline, "")), daemon=True)
    reading.start()
    url = until(lambda: re.search(r"http://\S+/connect/link_\w+", "".join(lines)) or process.poll() is not None, 20, "the link")
    assert url is not True, "".join(lines)
    return process, {"url": url[0], "id": url[0].rpartition("/")[2]}, lines


def test_connect_prints_the_link_waits_and_reports(oauth):
    process, made, _ = run_connect(oauth, "acme", "--auth-config", oauth.auth_config["id"], "--alias", "ada", "-q")
    assert agree(oauth.browser(), made).status == 200
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.strip() == oauth.show("ada")["id"]


def test_connect_reports_a_refusal(oauth):
    oauth.server.denies = "access_denied"
    assert oauth.auth_config["enabled"]  # the only one of the provider
    process, made, lines = run_connect(oauth, "acme", "-q")
    assert come_back(oauth.browser(), made).status == 400
    assert process.wait(30) == 1
    assert until(lambda: "denied" in "".join(lines))


def test_connect_reconnects(oauth, expired):
    process, made, _ = run_connect(oauth, "--reconnect", "ada", "-q")
    assert agree(oauth.browser(), made).status == 200
    assert process.wait(30) == 0
    assert oauth.show(expired)["status"] == "ACTIVE"
