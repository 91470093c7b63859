"""Two test runs at the same time that share files: each file is run by the one that comes to it first."""

from pathlib import Path

import pytest


class Lane:
    """What one of the two runs does; a file that the other has taken is passed over.

    Whoever creates the file's mark in the shared folder has taken it, so none is run twice. None is left out
    either: each lane comes to every file, and a lane that does not end what it has taken fails.

    Args:
        marks: folder that belongs to these two runs alone.
        backwards: this lane begins at the last file: they meet in the middle.
    """

    def __init__(self, marks: Path, *, backwards: bool) -> None:
        self.marks, self.backwards = marks, backwards
        self.mine: dict[Path, bool] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Turn the order of the files, not that of their tests."""
        if self.backwards:
            place = {path: number for number, path in enumerate(dict.fromkeys(item.path for item in items))}
            items.sort(key=lambda item: -place[item.path])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Pass over a test of the other lane's."""
        if item.path not in self.mine:
            self.mine[item.path] = self._take(item)
        return None if self.mine[item.path] else True

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the files that the other lane has run."""
        others = ", ".join(path.name for path, mine in self.mine.items() if not mine)
        terminalreporter.write_line(f"in the other lane: {others or 'nothing'}")

    def _take(self, item: pytest.Item) -> bool:
        name = item.path.relative_to(item.config.rootpath).as_posix().replace("/", ":")
        try:
            (self.marks / name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what makes a run one of two lanes."""
    parser.addoption("--share", metavar="FOLDER", help="share files with another run of this folder")
    parser.addoption("--backwards", action="store_true", help="begin at the last file")


def pytest_configure(config: pytest.Config) -> None:
    """Make the run a lane, where it shall be one."""
    if marks := config.getoption("--share"):
        config.pluginmanager.register(Lane(Path(marks), backwards=config.getoption("--backwards")))
