"""Organizations, projects and users: nobody sees another's, and what a user loses is lost at once."""
import itertools
import json
import time

import pytest
from kit.http1 import Ended

numbers = itertools.count()
WITHIN = 1.5  # seconds; the promise is one, the rest is for a loaded machine


def made(answer):
    assert answer.status == 201, answer.body
    return answer.json()


@pytest.fixture(scope="module")
def tenants(make_daemon):
    """Three organizations with three projects each; in each project a connection, in each organization everything else."""
    daemon = make_daemon().init().start()
    all_of = []
    for o in range(3):
        organization = made(daemon.api("POST", "/api/v1/organizations", {"name": f"shared name {o}"}))["id"]
        there = f"?organization={organization}"
        projects = [made(daemon.api("POST", f"/api/v1/projects{there}", {"name": f"shared name {p}"}))["id"]
                    for p in range(3)]
        ids = {organization, *projects}
        per_project = {}
        for project in projects:
            connection = daemon.connect(alias="shared", name="shared name", organization=organization, project=project,
                                        tags=["shared"], endUser="shared")["id"]
            app = made(daemon.api("POST", f"/api/v1/auth_configs{there}&project={project}", {
                "name": "shared name", "provider": "github", "value": {"clientId": "x", "clientSecret": "y"}}))["id"]
            link = made(daemon.api("POST", f"/api/v1/links{there}&project={project}", {"authConfig": app}))["id"]
            token = made(daemon.api("POST", "/api/v1/authorizations", {
                "name": "shared name", "capabilities": ["*"], "connections": ["*"], "organization": organization,
                "project": project}))
            per_project[project] = {"connections": connection, "auth_configs": app, "links": link,
                                    "authorizations": token["id"], "projects": project, "token": token["token"]}
            ids |= {connection, app, link, token["id"]}
        user = made(daemon.api("POST", f"/api/v1/users{there}", {
            "name": "shared name", "projects": [{"id": projects[0], "role": "EDITOR"}]}))["id"]
        admin = made(daemon.api("POST", f"/api/v1/authorizations{there}", {
            "name": "shared name", "capabilities": ["*"], "connections": ["*"], "project": None}))
        member = made(daemon.api("POST", f"/api/v1/authorizations{there}", {
            "name": "shared name", "capabilities": ["*"], "connections": ["*"], "project": None, "user": user}))
        ids |= {user, admin["id"], member["id"]}
        all_of.append({"id": organization, "projects": per_project, "user": user, "ids": ids,
                       "admin": admin["token"], "member": member["token"]})
    return daemon, all_of


def pages(daemon, path, token):
    """Every page of a list, one item each."""
    cursor = ""
    for _ in range(200):
        joint = "&" if "?" in path else "?"
        answer = daemon.api("GET", f"{path}{joint}limit=1" + (f"&cursor={cursor}" if cursor else ""), token=token)
        yield answer
        if answer.status != 200 or not answer.json()["hasMore"] or "page=" in path:  # one of the two ways on
            return
        cursor = answer.json()["cursor"]
    raise AssertionError("the list does not end")


LISTS = [f"/api/v1/{what}{query}"
         for what in ("connections", "auth_configs", "authorizations", "projects", "users")
         for query in ("", "?sortBy=created", "?sortBy=name&sortOrder=desc", "?search=shared", "?page=1")]
LISTS += ["/api/v1/connections?tag=shared", "/api/v1/connections?endUser=shared", "/api/v1/connections?app=http",
          "/api/v1/connections?status=ACTIVE", "/api/v1/auth_configs?provider=github&showDisabled=true",
          "/api/v1/authorizations?status=ACTIVE"]


def test_no_list_search_filter_or_page_shows_an_id_of_another_organization(tenants):
    daemon, all_of = tenants
    for mine in all_of:
        foreign = set().union(*(other["ids"] for other in all_of if other is not mine))
        for path in LISTS + ["/api/v1/self"]:
            seen = ""
            answers = [daemon.api("GET", path, token=mine["admin"])] if "self" in path else pages(daemon, path, mine["admin"])
            for answer in answers:
                assert answer.status == 200, (path, answer.body)
                seen += answer.body.decode()
            assert not [one for one in foreign if one in seen], path
            if "self" not in path:
                assert [one for one in mine["ids"] if one in seen], path


def test_no_call_about_a_foreign_id_differs_from_one_about_an_unknown_id(tenants):
    daemon, all_of = tenants
    mine, other = all_of[0], all_of[1]
    theirs = next(iter(other["projects"].values()))
    unknown = {"connections": "conn", "auth_configs": "ac", "links": "link", "authorizations": "tok", "projects": "proj",
               "users": "user"}
    for what, prefix in unknown.items():
        foreign = other["user"] if what == "users" else theirs[what]
        calls = [("GET", "", None), ("DELETE", "", None), ("PATCH", "", {"name": "x"})]
        if what == "connections":
            calls += [("POST", "/rotate", {"value": {"token": "x"}}), ("POST", "/test", {}), ("POST", "/revoke", {}),
                      ("POST", "/escalate", {"scope": "ORGANIZATION"})]
        if what == "authorizations":
            calls += [("POST", "/revoke", {})]
        for method, more, body in calls:
            answers = []
            for one in (foreign, f"{prefix}_{'0' * 20}"):
                answer = daemon.api(method, f"/api/v1/{what}/{one}{more}", body, token=mine["admin"])
                text = answer.json()
                assert one not in json.dumps(text), (what, text)
                answers.append((answer.status, text.get("code"), text.get("title"), text.get("detail")))
            assert answers[0] == answers[1], (method, what, more)
            assert answers[0][0] in (404, 405), (method, what, more, answers)


def test_a_foreign_id_in_a_body_is_as_unknown_as_any(tenants):
    daemon, all_of = tenants
    mine, other = all_of[0], all_of[1]
    theirs = next(iter(other["projects"].values()))
    own_project = next(iter(mine["projects"]))
    for path, body in (
            ("authorizations", {"capabilities": ["proxy:call"], "project": own_project, "connections": [theirs["connections"]]}),
            ("authorizations", {"capabilities": ["proxy:call"], "project": theirs["projects"]}),
            ("authorizations", {"capabilities": ["proxy:call"], "projects": [{"id": theirs["projects"], "role": "VIEWER"}]}),
            ("authorizations", {"capabilities": ["proxy:call"], "organization": other["id"]}),
            ("connections", {"app": "http", "type": "BEARER", "value": {"token": "x"}, "config": {"hosts": ["api.test"]},
                             "project": theirs["projects"]}),
            ("connections", {"app": "http", "type": "BEARER", "value": {"token": "x"}, "config": {"hosts": ["api.test"]},
                             "organization": other["id"]}),
            ("links", {"authConfig": theirs["auth_configs"]}),
            ("links", {"connection": theirs["connections"]}),
            ("users", {"name": "x", "projects": [{"id": theirs["projects"], "role": "VIEWER"}]}),
            ("users", {"name": "x", "organization": other["id"]}),
            ("projects", {"name": "x", "organization": other["id"]})):
        answer = daemon.api("POST", f"/api/v1/{path}", body, token=mine["admin"])
        assert answer.status in (400, 404), (path, body, answer.body)
        assert not [one for one in other["ids"] if one in answer.body.decode()], (path, body)


def test_a_caller_of_one_project_sees_that_one(tenants):
    daemon, all_of = tenants
    mine = all_of[0]
    own, others = list(mine["projects"].values())[0], list(mine["projects"].values())[1:]
    hidden = {one[what] for one in others for what in ("connections", "auth_configs", "links", "authorizations", "projects")}
    for token in (own["token"], mine["member"]):
        for path in LISTS:
            seen = ""
            for answer in pages(daemon, path, token):
                seen += answer.body.decode()
            assert not [one for one in hidden if one in seen], path
        for what in ("connections", "auth_configs", "links", "authorizations", "projects"):
            answer = daemon.api("GET", f"/api/v1/{what}/{others[0][what]}", token=token)
            assert answer.status in (403, 404), answer.body


def test_organizations_are_the_systems_alone(tenants):
    daemon, all_of = tenants
    for mine in all_of:
        for path in ("/api/v1/organizations", f"/api/v1/organizations/{mine['id']}", "/api/v1/keys", "/api/v1/status"):
            answer = daemon.api("GET", path, token=mine["admin"])
            assert answer.status == (200 if "status" in path else 403), path
        assert daemon.api("GET", f"/api/v1/connections?organization={all_of[0]['id']}",
                          token=mine["admin"]).status == (200 if mine is all_of[0] else 404)


@pytest.fixture
def member(world):
    """An editor of two projects, with a connection in each and a token that may use both."""
    daemon, n = world.daemon, next(numbers)
    projects = [made(daemon.api("POST", "/api/v1/projects", {"name": f"p{n}"}))["id"] for _ in range(2)]
    connections = [daemon.connect(alias=f"m{n}", project=project)["id"] for project in projects]
    user = made(daemon.api("POST", "/api/v1/users", {
        "name": "Ada", "projects": [{"id": project, "role": "EDITOR"} for project in projects]}))["id"]
    caller = daemon.authorize("*", user=user, project=None)
    return daemon, user, projects, connections, caller["token"]


def keeps(daemon, user, *projects, **more):
    body = {"projects": [{"id": project, "role": "EDITOR"} for project in projects], **more}
    answer = daemon.api("PATCH", f"/api/v1/users/{user}", body)
    assert answer.status == 200, answer.body


def test_a_user_that_loses_a_project_calls_nothing_there_any_more(world, member):
    daemon, user, projects, connections, token = member
    with world.client() as client:  # one kept connection throughout
        for connection in connections:
            client.send(world.head(connection=connection, token=token))
            assert client.response().status == 200
        keeps(daemon, user, projects[1])
        client.send(world.head(connection=connections[0], token=token))
        refused = client.response()
        assert (refused.status, refused.code) == (403, "connection-unavailable")
        client.send(world.head(connection=connections[1], token=token))
        assert client.response().status == 200
        keeps(daemon, user, *projects)
        client.send(world.head(connection=connections[0], token=token))
        assert client.response().status == 200
        keeps(daemon, user)
        client.send(world.head(connection=connections[1], token=token))
        assert client.response().code == "connection-unavailable"
        keeps(daemon, user, *projects, enabled=False)
        client.send(world.head(connection=connections[1], token=token))
        assert client.response().status == 407


def test_a_viewer_calls_nothing(world, member):
    daemon, user, projects, connections, token = member
    assert world.call(connection=connections[0], token=token).status == 200
    body = {"projects": [{"id": project, "role": "VIEWER"} for project in projects]}
    assert daemon.api("PATCH", f"/api/v1/users/{user}", body).status == 200
    assert world.call(connection=connections[0], token=token).code == "connection-unavailable"


def streaming(world, connection, token):
    def endless(exchange, _):
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        exchange.wait_until_peer_leaves()

    world.upstream.answer = endless
    client = world.client()
    client.send(world.head(connection=connection, token=token))
    client.head()
    client.reader.until(b"1\r\nx\r\n")
    return client


def ends(client, act):
    began = time.monotonic()
    act()
    with pytest.raises(Ended):
        client.reader.until(b"0\r\n\r\n")
    client.close()
    return time.monotonic() - began


def test_running_streams_end_with_the_role_the_user_and_the_organization(world, member):
    daemon, user, projects, connections, token = member
    client = streaming(world, connections[0], token)
    assert ends(client, lambda: keeps(daemon, user, projects[1])) < WITHIN
    keeps(daemon, user, *projects)
    client = streaming(world, connections[0], token)
    assert ends(client, lambda: keeps(daemon, user, *projects, enabled=False)) < WITHIN
    keeps(daemon, user, *projects, enabled=True)
    client = streaming(world, connections[0], token)
    assert ends(client, lambda: daemon.api("DELETE", f"/api/v1/users/{user}")) < WITHIN

    organization = made(daemon.api("POST", "/api/v1/organizations", {"name": "Acme"}))["id"]
    connection = daemon.connect(organization=organization)["id"]
    token = daemon.token(connection, organization=organization)
    client = streaming(world, connection, token)
    path = f"/api/v1/organizations/{organization}"
    assert ends(client, lambda: daemon.api("PATCH", path, {"enabled": False})) < WITHIN
    assert world.call(connection=connection, token=token).status == 407


def test_an_alias_is_a_name_in_one_project_and_an_id_in_all(world, member):
    daemon, user, projects, connections, token = member
    alias = daemon.api("GET", f"/api/v1/connections/{connections[0]}").json()["alias"]
    one = daemon.token("*", user=user, projects=[{"id": projects[0], "role": "EDITOR"}])
    assert world.call(connection=alias, token=one).status == 200
    assert world.call(connection=connections[1], token=one).code == "connection-unavailable"
    assert world.call(connection=connections[1], token=token).status == 200
    listed = daemon.token(connections[1], user=user, project=None)
    assert world.call(connection=connections[1], token=listed).status == 200
    assert world.call(connection=connections[0], token=listed).code == "connection-unavailable"


def test_the_command_line_keeps_scopes(make_daemon):
    daemon = make_daemon().init().start()

    def verb(*words):
        result = daemon.verb(*words)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    organization = verb("organizations", "create", "--name", "Acme", "-q")
    there = ("--organization", organization)
    project = verb("projects", "create", "--name", "Blue", *there, "-q")
    user = verb("users", "create", "--name", "Ada", "--email", "ada@acme.test", "--access", f"{project}=EDITOR", *there, "-q")
    assert project in verb("projects", "list", *there)
    assert f"{project}=EDITOR" in verb("users", "list", *there)
    assert organization not in verb("organizations", "list", "--search", "nobody", "-q")
    token = verb("tokens", "create", "--user", user, "--access", f"{project}=EDITOR", "--capabilities", "connections:read",
                 *there, "-q")
    assert daemon.api("GET", "/api/v1/self", token=token).json()["projects"] == [{"id": project, "role": "EDITOR"}]
    secret = json.dumps({"token": "x"})
    created = daemon.verb("connections", "create", "--app", "http", "--type", "BEARER", "--config-json",
                          json.dumps({"hosts": ["api.test"]}), "--from-stdin", *there, "--project", project, "-q", input=secret)
    assert created.returncode == 0, created.stderr
    connection = created.stdout.strip()
    assert verb("connections", "list", *there, "--project", project, "-q") == connection
    assert daemon.verb("connections", "show", connection).returncode == 3
    assert "ORGANIZATION" in verb("connections", "escalate", connection, "--scope", "ORGANIZATION", *there)
    verb("users", "update", user, "--no-access", *there)
    assert daemon.api("GET", "/api/v1/connections", token=token).status == 403
    refused = daemon.verb("projects", "delete", project, *there)
    assert refused.returncode == 1 and "in use" in refused.stderr
    verb("users", "delete", user, *there)
    verb("organizations", "update", organization, "--disable")
    assert daemon.verb("users", "create", "--name", "x", "--access", "nothing", *there).returncode == 2
    assert daemon.verb("projects", "list", "--organization", "org_nobody").returncode == 3
