"""Tables on a terminal of 80 columns, and whole where there is none."""
import fcntl
import os
import pty
import struct
import subprocess
import termios

import pytest
from kit.daemon import binary, clean_environment


def on_a_terminal(daemon, *words, columns=80, environment=()):
    """What the verb writes to a terminal so wide; 0: the terminal does not say."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    command = [binary(), *map(str, words), "--config", str(daemon.config)]
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE,
                               env={**clean_environment(daemon.home), **dict(environment)})
    os.close(theirs)
    out = b""
    try:
        while part := os.read(ours, 65536):
            out += part
    except OSError:  # the other side is closed: the end
        pass
    os.close(ours)
    told = process.stderr.read().decode()
    assert process.wait(timeout=60) == 0, told
    return out.decode().replace("\r\n", "\n"), told


@pytest.fixture(scope="module")
def daemon(make_daemon):
    daemon = make_daemon().init().start()
    daemon.connect(alias="billing-of-a-customer", name="Everything that this customer pays for, in one account")
    daemon.authorize("*")
    return daemon


@pytest.mark.parametrize("words", [("connections", "list"), ("tokens", "list"), ("providers", "list"), ("audit", "tail")])
def test_every_line_fits_and_ids_are_whole(daemon, words):
    out, _ = on_a_terminal(daemon, *words)
    assert max(map(len, out.splitlines())) <= 80, out
    whole = daemon.verb(*words).stdout
    assert "…" not in whole and max(map(len, whole.splitlines())) > 80
    if words[1] == "list":
        assert [line.split()[0] for line in out.splitlines()] == [line.split()[0] for line in whole.splitlines()]


def test_what_there_is_no_room_for_is_named(daemon):
    out, told = on_a_terminal(daemon, "connections", "list")
    assert "billing-of-a-customer" in out and "CREATED" not in out
    assert "CREATED: see -o json" in told


def test_a_terminal_that_does_not_say_its_width_is_as_wide_as_columns_says(daemon):
    out, _ = on_a_terminal(daemon, "providers", "list", columns=0, environment={"COLUMNS": "60"})
    assert 50 < max(map(len, out.splitlines())) <= 60
    out, _ = on_a_terminal(daemon, "providers", "list", columns=0)
    assert 70 < max(map(len, out.splitlines())) <= 80
