"""Foreign hands for the black-box suite: certificates, scripted TLS servers, a raw HTTP client, the daemon's process.

Nothing here knows how postern is built: it starts the binary named by POSTERN_BIN and speaks to its ports.
"""
import time

import pytest

SECRET = "upstream-secret"  # what the connection `api` of a world holds


def row(*names):
    """Marks a test as the one that produces these rows of DESIGN section 5 or 9; scripts/errors collects them."""
    return pytest.mark.row(*names)


def until(condition, seconds=10.0, what="the condition"):
    """Polls until `condition()` is true and returns its value; fails after the deadline."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.005)
