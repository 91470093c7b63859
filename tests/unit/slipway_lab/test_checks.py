import os
from pathlib import Path

import psutil
import pytest

from slipway_lab import checks
from slipway_lab.errors import LabError
from slipway_lab.layout import Layout


def test_all_that_is_missing_comes_as_one_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(checks, "DISK_WARM_GB", 10**6)
    monkeypatch.setattr(checks, "MEMORY_GB", 10**6)
    with pytest.raises(LabError) as caught:
        checks.check(Layout(tmp_path), prepared=True)
    lines = str(caught.value).splitlines()
    assert lines[0] == "this machine cannot hold the lab. Missing:"
    assert [line.partition(":")[0] for line in lines[1:]] == ["  - root", "  - disk", "  - memory"]


def test_folder_that_the_lab_covers_with_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = checks.missing(Layout(Path("/var/cache/lab")), prepared=True)
    assert [line for line in found if line.startswith("a folder outside")]


def test_address_of_the_lab_on_a_link_of_the_machine_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "HOST", "127.0.0.1")
    assert "127.0.0.1" in {a.address for each in psutil.net_if_addrs().values() for a in each}
    found = checks.missing(Layout(tmp_path), prepared=True)
    assert [line for line in found if "one of this machine's own links has it" in line]
