"""`slipway-host report`: where its page goes, and what it refuses."""

from pathlib import Path

import pytest

from slipway_host.command import parser
from slipway_host.errors import SettingsError
from slipway_host.report_file import write


def test_page_is_written_where_it_was_asked_for(tmp_path: Path) -> None:
    path = str(tmp_path / "api.html")
    assert write("<p>±0", path) == f"{path} is written: open it in a browser"
    assert Path(path).read_bytes() == "<p>±0".encode()


def test_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file or directory"):
        write("x", str(tmp_path / "nowhere" / "api.html"))


def test_command_takes_what_its_help_says() -> None:
    run = parser().parse_args(["report", "--run", "20261124T051500-1f3a", "--service", "api"])
    assert (run.run, run.output, run.service) == ("20261124T051500-1f3a", "report.html", ["api"])
    service = parser().parse_args(["report", "--days", "90", "--output", "api.html"])
    assert (service.days, service.output) == (90, "api.html")
