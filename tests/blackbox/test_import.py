"""Connections come in from a file: checked first, each made once, whatever interrupts it; and out again without a secret."""
import csv
import io
import json
import subprocess

import pytest
from kit import until
from kit.daemon import binary, clean_environment

HEADER = "app,type,alias,name,tags,enabled,config.subdomain,value.apiKey\r\n"
ROWS = ('stripe,API_KEY,one,"Billing, ""EU""",a;b,,,sk_test_canary1\r\n'
        "stripe,API_KEY,two,,,false,,sk_test_canary2\r\n")


@pytest.fixture
def daemon(make_daemon):
    return make_daemon().init().start()


def connections(daemon):
    return {one["alias"]: one for one in daemon.api("GET", "/api/v1/connections?limit=100").json()["data"]}


def write(daemon, name, text):
    path = daemon.folder / name
    path.write_text(text, newline="")
    return path


def no_secret(daemon, *results):
    text = "".join(one.stdout + one.stderr for one in results) + daemon.log_file.read_text()
    assert "canary" not in text


def test_a_csv_is_checked_made_once_and_comes_out_without_its_secrets(daemon):
    file = write(daemon, "x.csv", HEADER + ROWS)
    checked = daemon.verb("connections", "import", file, "--dry-run")
    assert (checked.returncode, checked.stdout) == (0, "valid 2, failed 0; nothing was written\n"), checked.stderr
    assert connections(daemon) == {}
    made = daemon.verb("connections", "import", file)
    assert (made.returncode, made.stdout) == (0, "imported 2, failed 0\n"), made.stderr
    there = connections(daemon)
    assert (there["one"]["name"], there["one"]["tags"], there["two"]["enabled"]) == ('Billing, "EU"', ["a", "b"], False)
    again = daemon.verb("connections", "import", file)
    assert again.stdout == "imported 0, skipped 2 that were there, failed 0\n"
    assert connections(daemon) == there

    out = daemon.verb("connections", "export", "--format", "csv")
    assert out.returncode == 0, out.stderr
    rows = list(csv.DictReader(io.StringIO(out.stdout, newline="")))
    assert [row["value.apiKey"] for row in rows] == ["", ""]
    for row in rows:
        row["value.apiKey"] = "sk_test_canary3"
        row["alias"] += "-back"
    back = io.StringIO(newline="")
    writer = csv.DictWriter(back, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    assert daemon.verb("connections", "import", write(daemon, "back.csv", back.getvalue())).returncode == 0
    there = connections(daemon)
    assert (there["one-back"]["name"], there["one-back"]["tags"]) == ('Billing, "EU"', ["a", "b"])
    assert there["two-back"]["enabled"] is False
    no_secret(daemon, checked, made, again, out)


def test_what_is_wrong_is_told_with_its_place_and_the_rest_is_made(daemon):
    file = write(daemon, "x.csv", HEADER + "stripe,API_KEY,bad,,,,,not_canary_a_key\r\n" + 'stripe,"x"y\r\n' + ROWS)
    made = daemon.verb("connections", "import", file)
    assert (made.returncode, made.stdout) == (1, "imported 2, failed 2\n")
    assert f"{file}:2:24: " in made.stderr and "/value/apiKey" in made.stderr
    assert f"{file}:3:11: text behind a closing quote" in made.stderr
    stopped = daemon.verb("connections", "import", file, "--stop", "--again", "--parallel", "1")
    assert stopped.returncode == 1 and f"{file}:2:24: " in stopped.stderr
    assert len(connections(daemon)) == 2
    no_secret(daemon, made, stopped)


def test_an_import_that_is_killed_goes_on_without_making_anything_twice(daemon):
    count = 400
    lines = [json.dumps({"app": "stripe", "type": "API_KEY", "name": f"n{i % 7}", "value": {"apiKey": f"sk_test_{i}"}})
             for i in range(count)]  # without aliases: a second one would be made if nobody knew
    file = write(daemon, "x.jsonl", "\n".join(lines))
    journal = daemon.folder / "x.jsonl.imported"
    for part in (1, 2, 3):
        killed = subprocess.Popen([binary(), "--config", str(daemon.config), "connections", "import", str(file)],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env=clean_environment(daemon.home))
        until(lambda: killed.poll() is not None or (
            journal.exists() and journal.read_bytes().count(b"\n") >= part * count // 5), 60, "a part of the import")
        killed.kill()
        killed.wait()
    journal.write_bytes(journal.read_bytes()[:-5])  # and its last line is torn
    done = daemon.verb("connections", "import", file)
    assert done.returncode == 0, done.stderr
    assert journal.read_bytes().count(b"\n") == count
    total = daemon.verb("connections", "list", "-q")
    assert len(total.stdout.split()) == count
