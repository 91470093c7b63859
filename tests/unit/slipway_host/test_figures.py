import pytest

from slipway_host.figures import duration, moment, signed, size


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0.0 s"),
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (86.5, "1 min 26 s"),
        (119.6, "2 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (86_400, "1 d"),
        (183_600, "2 d 3 h"),
    ],
)
def test_duration_has_the_two_units_that_say_enough(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (812, "812 B"),
        (1310, "1.3 kB"),
        (44_910_812, "44.9 MB"),
        (250e6, "250 MB"),
        (3.2e9, "3.2 GB"),
    ],
)
def test_size_is_decimal(count: float, said: str) -> None:
    assert size(count) == said


def test_moment_is_in_utc_whatever_the_text_s_own_zone() -> None:
    assert moment("2026-11-24T05:15:00.123Z") == "24 Nov 2026, 05:15 UTC"
    assert moment("2026-11-01T01:30:00+02:00") == "31 Oct 2026, 23:30 UTC"
    assert moment("yesterday") == "yesterday"


def test_difference_has_its_sign() -> None:
    assert [signed(change, "3") for change in (3, -3, 0)] == ["+3", "\N{MINUS SIGN}3", "±0"]
