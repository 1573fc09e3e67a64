"""What was done is on record: with the answer, after kill -9, without a secret, and nobody takes it away unnoticed (DESIGN section 10).

What is relied on where the design leaves it open:
  GET /api/v1/audit → {"data": [Event], "cursor", "hasMore", "head"}, newest first; the system's chain unless ?organization= names another
  POST /api/v1/audit/verify {"anchor"} → {"ok", "checked", "first", "head", "faults": [{"sequence", "what"}]}
  connection.used is told within seconds, call.denied when its minute is over or at the end of the process
"""
import json

import pytest
from conftest import World, world_settings
from kit import until

HERE = "organization=org_default"


def events(daemon, query=HERE):
    """All of a chain, the oldest first."""
    found, cursor = [], ""
    while True:
        answer = daemon.api("GET", f"/api/v1/audit/export?{query}{cursor}")
        assert answer.status == 200, answer.body
        found += [json.loads(line) for line in answer.body.splitlines()]
        if not answer.fields["Postern-Cursor"]:
            return found
        cursor = f"&cursor={answer.fields['Postern-Cursor']}"


def verify(daemon, anchor=None):
    answer = daemon.api("POST", f"/api/v1/audit/verify?{HERE}", {"anchor": anchor})
    assert answer.status == 200, answer.body
    return answer.json()


@pytest.fixture
def audited(make_daemon, make_upstream, ca):
    upstream = make_upstream()
    return World(make_daemon(world_settings(upstream, ca)), upstream, ca)


def test_a_change_is_on_record_when_it_is_answered_whatever_happens_then(audited):
    daemon = audited.daemon
    for round in range(5):
        made = daemon.connect(alias=f"round-{round}")
        daemon.kill()
        daemon.start()
        last = [e for e in events(daemon) if e["action"] == "connection.created"][-1]
        assert (last["subject"], last["organization"], last["project"]) == (made["id"], "org_default", "proj_default")
        assert verify(daemon)["ok"] is True
    assert daemon.stop() == 0


def test_a_first_use_is_told_once_and_denials_as_one(audited):
    daemon = audited.daemon
    for _ in range(3):
        assert audited.call().status == 200
        assert audited.call(host="other.test").status == 403
        assert audited.call(token="pst_nonsense").status == 407
    until(lambda: [e for e in events(daemon) if e["action"] == "connection.used"], 30, "the use in the audit")
    assert daemon.stop() == 0  # what is noted is written at the end
    daemon.start()
    used = [e for e in events(daemon) if e["action"] == "connection.used"]
    assert [(e["subject"], e["detail"], e["actorName"]) for e in used] == [(audited.connection["id"], {"host": "api.test"}, "step")]
    denied = [e for e in events(daemon) if e["action"] == "call.denied"]
    assert sum(e["count"] for e in denied) == 3 and {e["actorName"] for e in denied} == {"step"}
    assert sum(int(e["detail"]["destination-not-allowed"]) for e in denied) == 3
    unknown = [e for e in events(daemon, "") if e["action"] == "call.denied"]
    assert sum(e["count"] for e in unknown) == 3 and {e["actor"] for e in unknown} == {"unknown"}
    assert daemon.stop() == 0


def test_no_event_holds_a_secret(audited):
    daemon = audited.daemon
    daemon.connect(alias="two", value={"token": "canary-secret"})
    daemon.api("POST", "/api/v1/connections/two/rotate", {"value": {"token": "canary-other"}})
    assert audited.call().status == 200
    until(lambda: [e for e in events(daemon) if e["action"] == "connection.used"], 30, "the use in the audit")
    text = json.dumps(events(daemon) + events(daemon, ""))
    for secret in ("canary", "upstream-secret", audited.token, audited.token[4:], daemon.admin_token):
        assert secret not in text
    assert daemon.stop() == 0


def test_the_command_line_tails_verifies_and_exports(audited):
    daemon = audited.daemon
    tail = daemon.verb("audit", "tail", "--organization", "org_default")
    assert tail.returncode == 0 and "connection.created" in tail.stdout, tail.stderr
    head = tail.stdout.split("head  ")[1].strip()
    daemon.connect(alias="later")
    good = daemon.verb("audit", "verify", "--organization", "org_default", "--anchor", head)
    assert good.returncode == 0, good.stderr
    wrong = head[:-1] + ("0" if head[-1] != "0" else "1")
    bad = daemon.verb("audit", "verify", "--organization", "org_default", "--anchor", wrong)
    assert bad.returncode == 1 and "older state was put back" in bad.stdout, bad.stdout
    exported = daemon.verb("audit", "export", "--organization", "org_default")
    assert [json.loads(line)["sequence"] for line in exported.stdout.splitlines()] == [1, 2, 3]
    assert daemon.stop() == 0


def test_an_older_state_that_was_put_back_shows_with_the_anchor(audited, tmp_path):
    daemon = audited.daemon
    done = daemon.verb("vault", "backup", tmp_path / "backup")
    assert done.returncode == 0, done.stderr
    daemon.connect(alias="told")
    anchor = verify(daemon)["head"]["anchor"]
    assert daemon.stop() == 0
    (daemon.state).rename(tmp_path / "newer")
    done = daemon.verb("vault", "restore", tmp_path / "backup")
    assert done.returncode == 0, done.stderr
    daemon.start()
    assert verify(daemon)["ok"] is True
    found = verify(daemon, anchor)
    assert found["ok"] is False and "the chain ends at" in found["faults"][0]["what"]
    assert daemon.stop() == 0


def test_retention_erases_and_the_chain_goes_on(make_daemon):
    daemon = make_daemon({"audit": {"retention": "1ms"}}).init().start()
    daemon.connect(alias="one")
    anchor = verify(daemon)["head"]["anchor"]
    assert daemon.stop() == 0
    daemon.start()  # sweeps at its start
    until(lambda: verify(daemon)["head"]["checkpoint"] == anchor, 30, "the checkpoint")
    assert events(daemon) == []
    daemon.connect(alias="two")
    found = verify(daemon, anchor)
    assert found["ok"] is True and found["first"] == int(anchor.split(":")[0]) + 1
    assert daemon.stop() == 0


def test_a_full_quota_never_blocks_a_change(make_daemon):
    daemon = make_daemon({"audit": {"quota": "64KiB"}}).init().start()
    made = [daemon.connect(alias=f"c{n}")["id"] for n in range(300)]
    head = daemon.api("GET", f"/api/v1/audit?{HERE}").json()["head"]
    assert head["bytes"] <= 65536 and head["dropped"] > 0 and head["droppedSince"]
    assert len(events(daemon)) + head["dropped"] == len(made)
    assert verify(daemon)["ok"] is True
    assert daemon.stop() == 0
