"""R19 and R20: reports by `slipway-host`, of receipts on the lab's git server, without a cluster."""

from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from slipway_host import receipt_keeper
from slipway_host.gitops import commit_images
from slipway_host.image_change import ImageChange
from slipway_host.progress import silent
from slipway_host.settings import GitSettings
from slipway_lab.layout import Layout
from support import runs
from support.host_side import HostSide, host_side
from support.target import api_target

API = api_target()


async def kept(settings: GitSettings, here: HostSide, *, run: str, digest: str) -> None:
    """Deploy for the branch, and keep the receipt of a run that did."""
    image = ImageChange(
        app="api",
        path=API.values,
        tag=here.commit[:8],
        digest=digest,
        write_digest=False,
        source_commit=here.commit,
    )
    done = await commit_images(settings, [image], run_id=run, report=silent, deadline_s=30)
    one = runs.service("api", digest=digest)
    for stage in one["stages"]:
        if stage["stage"] == "gitops":
            stage["outputs"] = {"commit": done.commit}
    facts = {"environment": "prod", "commit": here.commit, "tag": here.commit[:8]}
    document = runs.run(one, run=run, gitopsCommit=done.commit, **facts)
    await receipt_keeper.store(settings, document, [API], report=silent)


async def test_reports_are_made_of_the_gitops_repository_alone(
    layout: Layout, gitops: GitSettings, tmp_path: Path, run_id: str
) -> None:
    settings = replace(gitops, receipts="slipway-receipts")
    here = host_side(layout, tmp_path, run_id, {}, gitops={"repository": gitops.url})
    await kept(settings, here, run="20261124T051500-1f3a", digest=runs.DIGEST)
    assert isinstance(gitops.token, SecretStr)
    account = {"GIT_USERNAME": gitops.username, "GH_PAT": gitops.token.get_secret_value(), "KUBECONFIG": ""}

    done = here.run("report", "--environment", "prod", **account)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "report.html is written: open it in a browser\n"
    page = (here.folder / "report.html").read_text()
    assert f"api {here.commit[:8]} is deployed to prod" in page
    assert "commit by t" in page  # the author of HEAD, which the clone here knows
    assert "is not verified" not in page
    assert account["GH_PAT"] not in page + done.stderr

    path = tmp_path / "api.html"
    done = here.run("report", "--environment", "prod", "--days", "30", "--output", str(path), **account)

    assert done.returncode == 0, done.stderr
    assert "<title>api in prod: " in path.read_text()

    absent = here.run("report", "--environment", "dev", **account)
    assert absent.returncode == 1
    assert "no run of api has left a receipt. Landed: nothing." in absent.stderr
