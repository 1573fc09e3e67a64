"""Completion in a real bash: what <Tab> would offer."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from kit.daemon import binary, clean_environment


def tab(daemon, *words, cwd=None):
    """What bash offers for the last word, the cursor at its end."""
    script = """
source <(postern completion bash)
COMP_WORDS=(postern "$@"); COMP_CWORD=$#
_postern
printf '%s\\n' "${COMPREPLY[@]}"
"""
    path = f"{Path(binary()).parent}:{os.environ['PATH']}"
    result = subprocess.run(["bash", "-c", script, "bash", *map(str, words)], capture_output=True, text=True, timeout=60,
                            cwd=cwd or daemon.folder, env={**clean_environment(daemon.home), "PATH": path})
    assert not result.stderr, result.stderr
    return [line for line in result.stdout.splitlines() if line]


@pytest.fixture(scope="module")
def daemon(make_daemon):
    daemon = make_daemon().init().start()
    for alias in ("billing", "bills", "weather"):
        daemon.connect(alias=alias)
    return daemon


def test_verbs_and_nouns(daemon):
    assert {"run", "reload", "doctor", "completion", "connections"} <= set(tab(daemon, ""))
    assert tab(daemon, "rel") == ["reload"]
    assert {"list", "show", "create", "rotate"} <= set(tab(daemon, "connections", ""))


def test_flags_of_the_verb_and_the_global_ones(daemon):
    offered = tab(daemon, "tokens", "create", "--")
    assert {"--name", "--connections", "--expires", "--output", "--config"} <= set(offered)
    assert tab(daemon, "connections", "list", "--ap") == ["--app"]


def test_aliases_where_a_connection_is_expected(daemon):
    assert tab(daemon, "connections", "show", "bil") == ["billing", "bills"]
    assert tab(daemon, "exec", "-c", "wea") == ["weather"]
    assert tab(daemon, "connections", "delete", "billing", "wea") == ["weather"]


def test_ids_where_one_is_begun(daemon):
    offered = tab(daemon, "connections", "rotate", "conn_")
    assert len(offered) == 3 and all(one.startswith("conn_") for one in offered)
    made = daemon.authorize("*")
    assert made["id"] in tab(daemon, "tokens", "revoke", "tok_")


def test_the_last_of_a_list(daemon):
    assert tab(daemon, "tokens", "create", "--connections", "weather,bil") == ["weather,billing", "weather,bills"]


def test_providers_with_and_without_a_daemon(daemon, make_daemon):
    assert tab(daemon, "connect", "stri") == ["stripe"]
    assert tab(make_daemon(), "connections", "create", "--app", "stri") == ["stripe"]


def test_the_words_of_an_option(daemon):
    assert tab(daemon, "status", "-o", "") == ["json", "table", "yaml"]
    assert tab(daemon, "completion", "") == ["bash", "fish", "zsh"]


def test_files_where_a_file_is_expected(daemon, tmp_path):
    (tmp_path / "settings.yaml").touch()
    assert tab(daemon, "--config", "sett", cwd=tmp_path) == ["settings.yaml"]
    assert tab(daemon, "exec", "--", "sett", cwd=tmp_path) == ["settings.yaml"]


def test_without_a_daemon_it_is_quietly_nothing(make_daemon):
    idle = make_daemon().init()
    assert tab(idle, "connections", "show", "") == []
    assert tab(idle, "nonsense", "") == []


def test_a_bad_configuration_is_quietly_nothing_too(make_daemon):
    broken = make_daemon(text="nonsense: 1\n")
    assert tab(broken, "connections", "show", "") == []
    assert tab(broken, "stat") == ["status"]


def test_every_script_is_sound_for_its_shell(daemon):
    for shell in ("bash", "zsh", "fish"):
        script = daemon.verb("completion", shell)
        assert script.returncode == 0 and "__complete" in script.stdout
        if shutil.which(shell):
            checked = subprocess.run([shell, "-n"], input=script.stdout, text=True, capture_output=True)
            assert checked.returncode == 0, checked.stderr


def test_the_hidden_verb_is_not_in_the_help(daemon):
    assert "__complete" not in daemon.verb("--help").stdout
