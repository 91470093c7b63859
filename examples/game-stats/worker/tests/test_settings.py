import pytest

from game_stats_worker.settings import SettingsError, load

URL = "postgresql://worker:hunter2@db:5432/scores"


def test_settings_have_defaults() -> None:
    settings = load({"DATABASE_URL": URL})
    assert (settings.port, settings.poll_s, settings.revision) == (4000, 5, "unknown")


def test_every_problem_is_named_at_once_and_no_secret() -> None:
    wrong = {"DATABASE_URL": "mysql://a:hunter2@b/c", "PORT": "http", "POLL_SECONDS": "0"}
    with pytest.raises(SettingsError) as caught:
        load(wrong)
    assert [part.partition(":")[0] for part in str(caught.value).split("; ")] == [
        "DATABASE_URL",
        "PORT",
        "POLL_SECONDS",
    ]
    assert "hunter2" not in str(caught.value)


def test_password_is_not_shown() -> None:
    assert "hunter2" not in repr(load({"DATABASE_URL": URL}))
