"""What the tests of the admin API were answered (POSTERN_ANSWERS), held against openapi.yaml."""
import collections
import json
import os
from pathlib import Path

import pytest
from kit.contract import contract

CONTRACT = contract()

# Answers that openapi.yaml promises and no test is asked to produce, each with the reason.
NOT_PRODUCED = {
    # Somebody else's write, or the same Idempotency-Key, in the very same moment: shown for connections, whose calls
    # are made side by side in tests; these go the same way.
    (call + what, "409") for call in ("change", "create") for what in ("Organization", "Project", "User")
}


def lines(pattern):
    folder = os.environ.get("POSTERN_ANSWERS")
    assert folder, "POSTERN_ANSWERS names the folder that the tests wrote into: run this by ctest"
    for file in sorted(Path(folder).glob(pattern)):
        for line in file.read_text(errors="surrogateescape").splitlines():
            yield json.loads(line)


@pytest.fixture(scope="module")
def exchanges():
    return list(lines("exchanges-*.jsonl"))


def test_every_answer_of_the_cpp_tests_is_as_documented(exchanges):
    assert exchanges, "nothing was written"
    wrong = collections.Counter()
    for one in exchanges:
        body, sent = (one[name].encode(errors="surrogateescape") for name in ("body", "sent"))
        for mistake in CONTRACT.check(one["method"], one["target"], one["status"], one["fields"], body, sent=sent,
                                      health=one["door"] == "health"):
            wrong[f"{one['method']} {one['target'][:80]} {one['status']}: {mistake}"] += 1
    assert not wrong, "\n".join(f"{text} ({count} times)" for text, count in wrong.most_common(60))


def test_every_documented_answer_was_produced(exchanges):
    """By the C++ tests and by tests/blackbox/test_admin_contract.py."""
    seen, anywhere = set(), set()
    for one in exchanges:
        path, operation = CONTRACT.find(one["method"], one["target"])
        anywhere.add(str(one["status"]))
        if operation:
            seen.add((operation["operationId"], str(one["status"])))
    for one in lines("seen-*.jsonl"):
        anywhere.add(str(one["status"]))
        item = CONTRACT.document["paths"].get(one["path"], {})
        operation = item.get("get" if one["method"] == "HEAD" else one["method"].lower())
        if operation:
            seen.add((operation["operationId"], str(one["status"])))
    promised = {(operation["operationId"], status) for _, _, operation in CONTRACT.operations()
                for status in operation["responses"] if not status.endswith("XX")}
    missing = promised - seen - set(NOT_PRODUCED)
    assert sorted(missing) == [], "promised, and produced by no test"
    assert set(NOT_PRODUCED) <= promised - seen, "these are produced after all: take them off the list"
    assert set(CONTRACT.any_request) <= anywhere, "promised to any request, and produced by no test"
