"""Two test runs at the same time that share files: each file is run by the one that comes to it first."""

import fcntl
from pathlib import Path

import pytest


class Company:
    """Lets a test that measures time have the lab to itself, and all others run side by side.

    The kernel frees what a lane holds that has died.

    Args:
        folder: of the two lanes.
    """

    def __init__(self, folder: Path) -> None:
        self._door, self._room = ((folder / name).open("w") for name in ("door", "room"))

    def enter(self, *, alone: bool) -> None:
        """Wait for those inside, where the test wants to be alone; else for one that is."""
        # Whoever waits for an empty room keeps the door: nobody else goes in meanwhile.
        fcntl.flock(self._door, fcntl.LOCK_EX)
        fcntl.flock(self._room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(self._door, fcntl.LOCK_UN)

    def leave(self) -> None:
        """Let others in."""
        fcntl.flock(self._room, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the files."""
        self._door.close()
        self._room.close()


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
        self.company = Company(marks)

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
        if not self.mine[item.path]:
            return True
        self.company.enter(alone=item.get_closest_marker("alone") is not None)
        return None

    def pytest_runtest_logfinish(self) -> None:
        """Let the other lane's tests go on."""
        self.company.leave()

    def pytest_unconfigure(self) -> None:
        """Close what is shared."""
        self.company.close()

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
