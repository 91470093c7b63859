import random
import time
from dataclasses import replace
from pathlib import Path

from slipway_host import git, history, receipt_keeper, receipts
from slipway_host.history import DEPLOY, OTHER, ROLLBACK, Entry
from slipway_host.progress import silent
from slipway_host.settings import GitSettings
from support.gitops_remote import VALUES, Remote, change, deploy, path
from support.gitops_story import Story
from support.gitops_story import values as story_values
from support.receipts import document, service
from support.target import api_target

DIGEST = "sha256:" + "ab" * 32
TEN_THOUSAND_S = 10
API = api_target()
OLD, NEW = "aaaa1111" * 5, "bbbb2222" * 5


def values(tag: str) -> str:
    return VALUES.format(app="api").replace("latest", tag)


async def read(remote: Remote, *, limit: int = 100, depth: int = 200) -> list[Entry]:
    async with git.clone(remote.settings, protocols=("file",), depth=depth) as copy:
        await copy.fetch()
        return await history.read(copy, "api", path("api"), limit=limit)


async def test_each_change_of_the_tag_is_an_entry_with_its_origin(remote: Remote) -> None:
    # R36: others' commits stand beside Slipway's.
    await deploy(remote, change(commit=OLD, digest=DIGEST))
    remote.pull()
    by_hand = remote.put({path("api"): values("v7")}, "bump")
    await deploy(remote, change(commit=NEW), change("ui", OLD))

    first, second, third, seed = await read(remote)

    assert [(e.tag, e.kind, e.source) for e in (first, second, third, seed)] == [
        ("bbbb2222", DEPLOY, NEW),
        ("v7", OTHER, ""),
        ("aaaa1111", DEPLOY, OLD),
        ("latest", OTHER, ""),
    ]
    assert (second.commit, second.author, second.subject) == (by_hand, "rival@x <rival@x>", "bump")
    assert third.digest == DIGEST
    assert first.commit == remote.head()


async def test_the_migration_that_a_commit_names_is_shown(remote: Remote) -> None:
    job = f"api-migrate-{OLD[:8]}-0a1b2c3d"
    await deploy(remote, replace(change(commit=OLD), migration=job), change("ui", OLD))
    newest = (await read(remote))[0]
    assert (newest.migration, newest.document()["migration"]) == (job, job)
    assert f"Slipway-Migration: {job} (api)" in remote.log("%B", "-1")
    head, first, *_ = history.table(await read(remote)).splitlines()
    assert (head.split()[-1], first.split()[-1]) == ("MIGRATION", job)
    await deploy(remote, change(commit=NEW))
    remote.pull()
    remote.put({path("api"): values("v9")}, "by hand\n\nSlipway-Migration: no Job's name")
    assert [one.migration for one in await read(remote)][:3] == ["", "", job]
    assert "MIGRATION" not in history.table((await read(remote))[:2])


async def test_a_commit_that_leaves_the_tag_is_no_entry(remote: Remote) -> None:
    remote.put({path("api"): values("v1")})
    remote.put({path("api"): values("v1") + "replicas: 2\n"})
    remote.put({"README": "x"})
    assert [entry.tag for entry in await read(remote)] == ["v1", "latest"]


async def test_a_merge_is_one_entry_with_what_its_branch_says(remote: Remote) -> None:
    remote.git("checkout", "-q", "-b", "proposal")
    text = f"proposal\n\nSlipway-Source-Commit: {NEW}\nSlipway-Image-Digest: {DIGEST}"
    (remote.work / path("api")).write_text(values("v2"))
    remote.git("commit", "-qam", text)
    remote.git("checkout", "-q", "main")
    remote.put({"README": "meanwhile"})
    remote.git("merge", "-q", "--no-ff", "-m", "Merge pull request #1", "proposal")
    merge = remote.put({}, "after")

    newest = (await read(remote))[0]

    assert newest.commit == remote.git("rev-parse", f"{merge}^")
    assert (newest.tag, newest.source, newest.digest, newest.kind) == ("v2", NEW, DIGEST, DEPLOY)


async def test_a_revert_by_git_counts_as_a_rollback_and_its_own_revert_does_not(remote: Remote) -> None:
    remote.put({path("api"): values("v1")})
    remote.git("revert", "--no-edit", "HEAD")
    remote.git("revert", "--no-edit", "HEAD")
    remote.put({}, "push")
    assert [(e.tag, e.kind) for e in await read(remote)] == [
        ("v1", OTHER),
        ("latest", ROLLBACK),
        ("v1", OTHER),
        ("latest", OTHER),
    ]


async def test_a_file_that_was_removed_and_broken_between_is_read_around(remote: Remote) -> None:
    remote.put({path("api"): values("v1")})
    remote.put({path("api"): "image: [\n"})
    remote.put({path("api"): values("v2")})
    remote.git("rm", "-q", path("api"))
    remote.put({}, "gone")
    remote.put({path("api"): values("v3")})
    assert [entry.tag for entry in await read(remote)] == ["v3", "v2", "v1", "latest"]


async def test_what_is_no_tag_is_no_entry_and_gets_into_no_commit(remote: Remote) -> None:
    remote.put({path("api"): values("v1")})
    remote.put({path("api"): values('"x\\nSlipway-Source-Commit: y"')})
    remote.put({path("api"): values("'{{ .Values.tag }}'")})
    assert [entry.tag for entry in await read(remote)] == ["v1", "latest"]


async def test_old_entries_are_found_beyond_a_shallow_copy(remote: Remote) -> None:
    remote.put({path("api"): values("v1")})
    for number in range(30):
        remote.git("commit", "-q", "--allow-empty", "-m", f"{number}")
    remote.put({path("api"): values("v2")})
    assert [entry.tag for entry in await read(remote, depth=5)] == ["v2", "v1", "latest"]
    assert [entry.tag for entry in await read(remote, depth=5, limit=1)] == ["v2"]


async def test_a_server_without_filters_gives_the_same_history(remote: Remote) -> None:
    remote.git("config", "uploadpack.allowFilter", "false", at=remote.bare)
    remote.put({path("api"): values("v1")})
    assert [entry.tag for entry in await read(remote)] == ["v1", "latest"]


async def test_the_newest_of_ten_thousand_commits_take_seconds(remote: Remote) -> None:
    lines = []
    for number in range(10_000):
        text = values(f"v{number}") if number % 10 == 0 else "x"
        name = path("api") if number % 10 == 0 else f"apps/other{number % 7}/values.yaml"
        start = "from refs/heads/main^0\n" if number == 0 else ""
        lines.append(
            f"commit refs/heads/main\ncommitter x <x@x> {1_700_000_000 + number} +0000\ndata 1\nm\n{start}"
            f"M 100644 inline {name}\ndata {len(text)}\n{text}\n"
        )
    remote.git("fast-import", "--quiet", at=remote.bare, stdin="".join(lines))

    began = time.monotonic()
    found = await read(remote, limit=20)
    took = time.monotonic() - began

    assert [entry.tag for entry in found] == [f"v{number}" for number in range(9990, 9790, -10)]
    assert took < TEN_THOUSAND_S


def entry(tag: str, kind: str = DEPLOY) -> Entry:
    return Entry(tag=tag, digest="", commit=f"{tag}c", source="", when="", author="", kind=kind, subject="")


def test_previous_is_the_newest_tag_that_nobody_rolled_back_from() -> None:
    assert history.previous([entry("c"), entry("b"), entry("a")]) == entry("b")
    rolled_back = [entry("b", ROLLBACK), entry("c"), entry("b"), entry("a")]
    # c was bad: a fix that is bad as well leads back to b, not to c.
    assert history.previous([entry("d"), *rolled_back]) == entry("b", ROLLBACK)
    assert history.previous(rolled_back) == entry("a")
    assert history.previous([entry("a")]) is None
    assert history.previous([]) is None


def test_a_tag_that_was_deployed_again_after_its_rollback_is_good_again() -> None:
    again = [entry("d"), entry("c"), entry("b", ROLLBACK), entry("c"), entry("b")]
    assert history.previous(again) == entry("c")


def test_the_table_has_a_line_for_each_entry() -> None:
    lines = history.table([entry("b"), entry("a")]).splitlines()
    assert [line.split()[0] for line in lines] == ["TAG", "b", "a"]
    assert history.table([]) == "  no image was ever named"


async def test_receipts_add_how_a_run_ended_and_whether_the_branch_says_so(remote: Remote) -> None:
    # R19.
    first = await deploy(remote, change(commit=OLD, digest=DIGEST))
    second = await deploy(remote, change(commit=NEW))
    kept = replace(remote.settings, receipts="slipway-receipts")
    for number, (done, source) in enumerate(((first, OLD), (second, NEW))):
        written = document(service(commit=done.commit), run=f"20260801T00000{number}-000a", tag=source[:8])
        await receipt_keeper.store(kept, written, [API], report=silent, protocols=("file",))
    # A later run found the commit of the first one in place, and failed.
    later = document(service(status="Failed", commit=first.commit), run="20260801T000002-000a", tag=OLD[:8])
    await receipt_keeper.store(kept, later, [API], report=silent, protocols=("file",))

    found = await receipts.read(kept, [API], protocols=("file",))
    newest, older, seed = history.told(await read(remote), found["api"].receipts)

    assert (newest.run, newest.status, newest.seconds) == ("20260801T000001-000a", "Deployed", 90)
    assert "names a digest" in newest.doubt
    assert (older.run, older.status, older.doubt) == ("20260801T000002-000a", "Failed", "")
    assert (seed.run, seed.seconds) == ("", None)
    head, *lines, doubt = history.table([newest, older, seed]).splitlines()
    assert head.split()[3:6] == ["ENDED", "TOOK", "RECEIPT"]
    assert [line.split()[3:7] for line in lines] == [
        ["Deployed", "90", "s", "?"],
        ["Failed", "90", "s", "✓"],
        ["-", "-", "-", seed.commit[:8]],
    ]
    assert doubt.startswith("  ? 20260801T000001-000a is not verified: neither apps/api/values.yaml at ")


def strange_story(rnd: random.Random) -> Story:
    """Commits of three applications by people and by Slipway, with merges of long branches."""
    story = Story(now=1_800_000_000)
    apps = ("api", "ui", "worker")
    tips = {"main": story.commit({path(app): story_values("latest") for app in apps}, "start", ago=10**6)}
    for number in range(rnd.randrange(5, 60)):
        branch = rnd.choice(["main", "main", "side"])
        onto = tips.get(branch, tips["main"])
        app, ago = rnd.choice(apps), 10**6 - number * 100
        tag = rnd.choice(["latest", '"12345678"', f"{rnd.getrandbits(24):06x}", "{{ no }}", ""])
        text = None if rnd.random() < 0.05 else story_values(tag, app=app)
        said = rnd.choice([f"bump {number}", f"x\n\nSlipway-Source-Commit: {number:040x}", 'Revert "bump"'])
        merge = tips.pop("side", None) if branch == "main" and rnd.random() < 0.4 else None
        tips[branch] = story.commit({path(app): text}, said, ago=ago, branch=branch, onto=onto, merge=merge)
    return story


async def test_all_files_at_once_are_read_as_each_by_itself(tmp_path: Path) -> None:
    rnd = random.Random(36)  # noqa: S311 - the same each time
    merges = 0
    for number in range(8):
        bare = tmp_path / f"{number}.git"
        strange_story(rnd).write(bare)
        settings = GitSettings(url=f"file://{bare}", branch="main")
        files = {app: path(app) for app in ("api", "ui", "worker", "absent")}
        async with git.clone(settings, protocols=("file",), depth=None) as copy:
            await copy.fetch()
            everything = [commit for commit, _ in await copy.mainline()]
            found = await history.read_all(copy, files, everything)
            merges += len(await copy.merged(list(files.values())))
            for app, entries in found.items():
                whole = await history.read(copy, app, path(app), limit=1000)
                assert entries == whole, app
            young = everything[: rnd.randrange(len(everything))]
            for app, entries in (await history.read_all(copy, files, young)).items():
                whole = await history.read(copy, app, path(app), limit=1000)
                lately = [entry for entry in whole if entry.commit in young]
                assert entries[: len(lately)] == lately
                assert len(entries) <= len(lately) + 1
    assert merges > 5


async def test_a_message_may_hold_any_character(tmp_path: Path) -> None:
    story = Story(now=1_800_000_000)
    story.commit({path("api"): story_values("v1")}, "a\x01b\n:100644 x\n\nc", ago=9)
    story.commit({path("api"): story_values("v2")}, "", ago=8)
    story.write(tmp_path / "x.git")
    settings = GitSettings(url=f"file://{tmp_path}/x.git", branch="main")
    async with git.clone(settings, protocols=("file",)) as copy:
        await copy.fetch()
        found = await history.read(copy, "api", path("api"), limit=10)
    assert [(one.tag, one.subject) for one in found] == [("v2", ""), ("v1", "a\x01b")]
