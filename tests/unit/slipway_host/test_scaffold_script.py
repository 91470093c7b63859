"""R35: what stands in a script, without running it."""

from pathlib import Path

import pytest

from slipway_host.scaffold.script import COMMIT, TAG, Script, read


def value(text: str, name: str) -> str | None:
    return next(one.value for one in read(text, name="x").variables if one.name == name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X=plain", "plain"),
        ("export X='single $Y'", "single $Y"),
        ('X="a b" # and why', "a b"),
        ("X=a\\ b", "a b"),
        ("X=${X:-default}", "default"),
        ('X="${X:-"quoted"}"', "quoted"),
        ("X=${X-a}${Y:-b}", "ab"),
        (': "${X:=assigned}"', "assigned"),
        ("A=1; X=$A/${A}", "1/1"),
        ('A=1; X="$A  $A!"', "1  1!"),
        ("declare -r X=y", "y"),
        ("readonly X=y", "y"),
        ("f() { local X=y; }", "y"),
        ("if true; then X=y; fi", "y"),
        ("X=", ""),
        ("X=$(git rev-parse HEAD)", COMMIT),
        ("X=$(git rev-parse --short=8 HEAD || echo none)", TAG),
        ("X=$(git rev-parse HEAD | cut -c1-8)", TAG),
        ("X=${GITHUB_SHA::8}", TAG),
        ("A=${GITHUB_SHA:-$(git rev-parse HEAD)}; X=${A:0:8}", TAG),
    ],
)
def test_a_value_that_stands_there_is_read(text: str, expected: str) -> None:
    assert value(text, "X") == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("X=$(date)", "it takes a run of `date`"),
        ("X=`date +%s`", "it takes a run of `date +%s`"),
        ("X=$Y", "Y comes from the environment"),
        ("Y=$(date); X=a-$Y", "it depends on Y"),
        ("X=$1", "it is an argument of the script ($1)"),
        ("Y=abc; X=${Y^^}", "`${Y^^}` takes a run to tell"),
        ("X=(a b)", "it is a list"),
        ("X+=more", "it is added to"),
    ],
)
def test_a_value_that_only_a_run_would_tell_is_none_and_says_why(text: str, why: str) -> None:
    found = next(one for one in read(text, name="x").variables if one.name == "X")
    assert (found.value, found.why) == (None, why)


def test_nothing_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    read(f"X=$(touch {mark}); touch {mark}; Y=`touch {mark}`; : ${{Z:=$(touch {mark})}}", name="x")
    assert not mark.exists()


def test_a_command_in_a_value_that_holds_a_secret_is_not_repeated() -> None:
    script = read('X=$(curl -H "Authorization: Bearer ghp_0123456789abcdefghij" https://x)', name="x")
    assert "ghp_" not in repr(script.variables)


def test_lines_are_those_of_each_word() -> None:
    script = read("A=1\n\ndocker build . \\\n  --build-arg B=2 \\\n  -t x\n", name="x")
    assert [one.line for one in script.variables] == [1]
    build = script.commands[0]
    assert dict(zip(build.raw, build.lines, strict=True))["--build-arg"] == 4


def ignored(script: Script, program: str) -> list[bool]:
    return [one.ignored for one in script.commands if one.program == program]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trivy fs . || true", [True]),
        ("trivy fs . || :", [True]),
        ('trivy fs . || echo "went wrong"', [True]),
        ("trivy fs . | tee out || true", [True]),
        ("trivy fs . || exit 1", [False]),
        ("trivy fs .", [False]),
        ("a && trivy fs . || true", [True]),
        ("true || trivy fs .", [False]),
    ],
)
def test_a_failure_that_is_thrown_away_is_seen(text: str, expected: list[bool]) -> None:
    assert ignored(read(text, name="x"), "trivy") == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("echo $X", True),
        ("f() { echo $X; }", True),
        ("true | echo $X", True),
        ("echo $X | docker login", False),
        ("echo $X > file", False),
        ("Y=$(echo $X)", False),
    ],
)
def test_where_output_goes_is_seen(text: str, shown: bool) -> None:  # noqa: FBT001
    assert [one.shown for one in read(text, name="x").commands if one.program == "echo"] == [shown]


def test_what_is_no_shell_is_named_by_its_line_and_the_rest_is_read() -> None:
    script = read("A=1\nif [ ; then ((( \nB=2\n", name="x")
    assert script.faults
    assert value("A=1\nif [ ; then ((( \nB=2\n", "A") == "1"
