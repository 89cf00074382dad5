"""The pages with every network away but this machine's own: an address space without a way out."""

import shutil
import subprocess
import sys

import pytest

from tests.browser.conftest import chromium
from tests.source import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
APART = ["unshare", "--map-root-user", "--net"]


def is_possible() -> bool:
    """Whether this machine lets one take the network away."""
    if chromium() is None or shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    done = subprocess.run([*APART, "ip", "link", "set", "lo", "up"], capture_output=True)
    return done.returncode == 0


def test_pages_guide_and_documentation_work_whole_without_a_network() -> None:
    if not is_possible():
        pytest.skip("THE PAGES ARE NOT TRIED WITHOUT A NETWORK: no Chromium, or no unshare -n here")
    walk = [sys.executable, "-m", "tests.browser.offline_walk", chromium() or ""]
    inner = 'ip link set lo up && exec "$@"'
    done = subprocess.run(
        [*APART, "sh", "-c", inner, "sh", *walk],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing outside is reached" in done.stdout
