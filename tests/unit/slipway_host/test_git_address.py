import pytest
from pydantic import SecretStr

from slipway_host.errors import SettingsError
from slipway_host.git import clone
from slipway_host.settings import GitSettings
from support.git_http import TOKEN


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///x", "uses file, expected https or ssh"),
        ("http://h/x", "uses http, expected"),
        ("ext::sh -c x", "not a URL"),
        ("/x", "not a URL"),
        ("--upload-pack=x", "not a URL"),
        ("ssh://-oProxyCommand=x/y", "not a URL"),
        ("git@-oProxyCommand=x:y", "not a URL"),
        (f"https://{TOKEN}@h/x", "holds credentials"),
        (f"https://u:{TOKEN}@h/x", "holds credentials"),
        (f"ssh://git:{TOKEN}@h/x", "holds credentials"),
        (f"https://h/x?access_token={TOKEN}", "not a URL"),
    ],
)
async def test_an_address_outside_the_allow_list_is_refused_unquoted(url: str, reason: str) -> None:
    # Faults 74 and 75.
    with pytest.raises(SettingsError, match=reason) as caught:
        async with clone(GitSettings(url=url, branch="main")):
            pass
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("url", ["https://h/x.git", "ssh://git@h:22/x.git", "git@h:x/y.git"])
async def test_the_usual_addresses_are_taken(url: str) -> None:
    async with clone(GitSettings(url=url, branch="main")) as copy:
        assert copy.address.host.startswith("h")


@pytest.mark.parametrize("branch", ["", "a..b", "-x y", "a.lock"])
async def test_a_branch_that_git_cannot_have_is_refused(branch: str) -> None:
    with pytest.raises(SettingsError, match="not a branch name"):
        async with clone(GitSettings(url="https://h/x", branch=branch)):
            pass


@pytest.mark.parametrize("token", ["", "abc\n"])
async def test_an_empty_or_broken_token_is_refused(token: str) -> None:
    # An empty repository secret counts as present in many a CI.
    with pytest.raises(SettingsError, match="the token for h is empty"):
        async with clone(GitSettings(url="https://h/x", branch="main", token=SecretStr(token))):
            pass


async def test_a_missing_git_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SettingsError, match="install the package git"):
        async with clone(GitSettings(url="https://h/x", branch="main")):
            pass
