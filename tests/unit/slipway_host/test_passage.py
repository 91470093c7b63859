from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from slipway_host import gitops, load_figures, passage
from slipway_host.errors import DeliveryError, LoadCheckError, OverBudgetError
from slipway_host.gitops import GitOpsResult
from slipway_host.progress import silent
from slipway_host.receipt_model import ServiceReceipt
from slipway_host.results import StageResult, Status
from support.gitops_remote import Remote, change
from support.load import FAST, settings
from support.target import api_target

DONE = GitOpsResult(status=Status.SUCCEEDED, commit="c" * 40, branch="main", changed=("api",), attempts=1)
ADDRESS = "https://h/a/b/pulls/7"


@pytest.mark.parametrize(
    ("found", "statuses", "outputs", "said"),
    [
        (DONE, (Status.SUCCEEDED, Status.SKIPPED), {"commit": "c" * 40}, "commit cccccccc"),
        (
            replace(DONE, status=Status.WAITING, pull_request=ADDRESS),
            (Status.WAITING, Status.SKIPPED),
            {"proposed": "c" * 40, "pullRequest": ADDRESS},
            f"merge {ADDRESS}",
        ),
        (
            replace(DONE, pull_request=ADDRESS),
            (Status.SUCCEEDED, Status.SKIPPED),
            {"commit": "c" * 40, "pullRequest": ADDRESS},
            "commit cccccccc",
        ),
    ],
)
async def test_a_proposed_commit_is_never_handed_on_as_one_to_sync(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    found: GitOpsResult,
    statuses: tuple[Status, Status],
    outputs: dict[str, str],
    said: str,
) -> None:
    async def commit_images(*_given: object, **_named: object) -> GitOpsResult:
        return found

    monkeypatch.setattr(gitops, "commit_images", commit_images)
    settings = Remote(tmp_path).settings
    done = await passage.commit(settings, [change("api"), change("ui")], run_id="r", report=silent)
    assert (done["api"].status, done["ui"].status) == statuses
    assert done["api"].outputs == {"branch": "main", "attempts": 1, **outputs}
    assert done["api"].summary == f"tag 1234abcd on main: {said}"


FIGURES = cast("load_figures.Figures", load_figures.read(FAST, settings())).document(settings())


@pytest.mark.parametrize(
    ("outcome", "figures"),
    [
        (StageResult(stage="load", status=Status.SUCCEEDED, summary="", outputs={"load": FIGURES}), FIGURES),
        (OverBudgetError("p95", outputs={"load": FIGURES}), FIGURES),
        (LoadCheckError("could not measure"), None),
    ],
)
def test_a_receipt_has_what_was_measured_whether_it_passed_or_not(
    outcome: StageResult | DeliveryError, figures: dict[str, Any] | None
) -> None:
    delivery = SimpleNamespace(target=api_target(load=settings()), report=silent)
    way = passage.Passage("api", cast("Any", delivery), cast("Any", None), command="dagger call deploy")
    way.run.record("load", outcome, 3.0)
    document = way.document()
    assert document.get("load") == figures
    (stage,) = document["stages"]
    assert stage.get("outputs", {}).get("load") == figures
    read = ServiceReceipt.model_validate(document).load
    assert (read.model_dump(by_alias=True) if read else None) == figures
