"""The two lanes of `make test` run each end-to-end file once, whatever the pace of either."""

import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [path.name for path in (ROOT / "tests" / "e2e").glob("test_*.py")]
STORY = """\
import os, time
import pytest

def say(name, what):
    with open({log!r}, "a") as log:
        log.write(f"{{os.environ['LANE']}} {name} {{name}} {{what}}\\n")

def note(name):
    say(name, "begin")
    time.sleep(float(os.environ["SECONDS"]))
    say(name, "end")

def test_one():
    note("one")

def test_two():
    note("two")
"""


class Lanes:
    """Files with the names of the end-to-end tests, which note who runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.marks = folder / "e2e", folder / "log", folder / "marks"
        for path in (self.folder, self.marks):
            path.mkdir()
        ini = f"[pytest]\npythonpath = {ROOT / 'tests'}\nmarkers =\n  alone\n"
        (self.folder / "pytest.ini").write_text(ini)
        hooks = "from support.lanes import pytest_addoption, pytest_configure\n"
        (self.folder / "conftest.py").write_text(hooks)
        for name in FILES:
            (self.folder / name).write_text(STORY.format(log=str(self.log), name=name))

    def run(self, lane: str, *flags: str, seconds: float = 0) -> str:
        """Run pytest, with tests that take so many seconds each, and return what it said."""
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *flags, self.folder],
            env={"LANE": lane, "SECONDS": str(seconds)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def both(self, *, first: float, second: float) -> list[str]:
        """Run both lanes side by side, and return what each said."""
        share = f"--share={self.marks}"
        with ThreadPoolExecutor(2) as lanes:
            one = lanes.submit(self.run, "1", share, seconds=first)
            other = lanes.submit(self.run, "2", share, "--backwards", seconds=second)
            return [one.result(), other.result()]

    def events(self) -> list[list[str]]:
        """Return lane, file, test and `begin` or `end`, in this order."""
        return [line.split() for line in self.log.read_text().splitlines()]

    def ran(self) -> list[list[str]]:
        """Return lane, file and test of each test that was run, in this order."""
        return [event[:3] for event in self.events() if event[3] == "begin"]


@pytest.fixture
def lanes(tmp_path: Path) -> Lanes:
    return Lanes(tmp_path)


@pytest.mark.parametrize(("first", "second"), [(0.05, 0.05), (0.1, 0.0)])
def test_every_file_is_run_once_and_by_one_lane(lanes: Lanes, first: float, second: float) -> None:
    said = lanes.both(first=first, second=second)
    ran = lanes.ran()
    assert Counter((file, test) for _, file, test in ran) == {
        (name, test): 1 for name in FILES for test in ("one", "two")
    }
    lane = {file: {number for number, other, _ in ran if other == file} for file in FILES}
    assert all(len(numbers) == 1 for numbers in lane.values())
    # Each says what it has left to the other.
    for number, text in zip("12", said, strict=True):
        left = re.findall(r"test_\w+\.py", text.partition("in the other lane: ")[2])
        assert set(left) == {file for file, numbers in lane.items() if number not in numbers}


def test_the_second_lane_begins_at_the_end_and_keeps_the_order_of_a_story(lanes: Lanes) -> None:
    lanes.run("2", f"--share={lanes.marks}", "--backwards")
    files = sorted(FILES, reverse=True)
    assert lanes.ran() == [["2", name, test] for name in files for test in ("one", "two")]


def test_a_test_that_measures_time_has_no_company(lanes: Lanes) -> None:
    measuring = FILES[::3]
    for path in map(lanes.folder.joinpath, measuring):
        path.write_text(path.read_text().replace("def test_one", "@pytest.mark.alone\ndef test_one"))
    lanes.both(first=0.05, second=0.03)
    inside: set[tuple[str, str]] = set()
    pairs = 0
    for _, file, test, what in lanes.events():
        (inside.add if what == "begin" else inside.remove)((file, test))
        pairs += len(inside) > 1
        assert len(inside) < 2 or not [one for one in inside if one[0] in measuring and one[1] == "one"]
    assert pairs, "never two at once: the test proves nothing"


def test_without_a_share_everything_is_run_in_its_order(lanes: Lanes) -> None:
    (lanes.marks / FILES[0]).touch()
    lanes.run("1")
    assert lanes.ran() == [["1", name, test] for name in sorted(FILES) for test in ("one", "two")]


def test_make_test_runs_the_two_lanes_on_one_folder_of_their_own() -> None:
    def planned() -> list[str]:
        """Return the lines of `make test` that run end-to-end tests."""
        words = ["make", "--dry-run", "--always-make", "test"]
        said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        return [line for line in said.splitlines() if "pytest" in line and "tests/e2e" in line]

    forwards, backwards = sorted(planned(), key=lambda line: "--backwards" in line)
    (one,), (other,) = (re.findall(r"--share=(\S+)", line) for line in (forwards, backwards))
    assert one == other
    assert "--backwards" not in forwards
    assert "--backwards" in backwards
    # A folder of an earlier run would have marks in it, which hide tests.
    assert planned()[0] not in {forwards, backwards}
