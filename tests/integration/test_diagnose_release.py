"""R18: what the values file names, and whether the registry has it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from slipway_host.diagnosis import diagnose
from slipway_lab.layout import REGISTRY
from support.worlds import COMMIT, TAG, World, Worlds, at_private

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.settings import Target

DEAD = "10.86.0.1:5999"
NOBODY = SecretStr("canary-nobody")


def dead_registry(target: Target) -> Target:
    return replace(target, repository=f"{DEAD}/mosuon/api")


WORLDS = {
    "no-file": World(
        link="values",
        says=r"apps/none/values.yaml does not exist on branch main",
        fix="add apps/none/values.yaml there",
        settings=lambda target: replace(target, values="apps/none/values.yaml"),
    ),
    "no-tag": World(
        link="values",
        says=r"has no image.tag",
        fix='write image.tag: "" to apps/{app}/values.yaml, then dagger call deploy --service={app}',
        values="image:\n  repository: x\n",
    ),
    "empty-tag": World(
        link="values",
        says=r"has an empty image.tag: nothing was deployed yet",
        fix="dagger call deploy --service={app}",
        values='image:\n  tag: ""\n',
    ),
    "number": World(
        link="values",
        says=r"values.yaml:2: image.tag 33356460 is not quoted, and no string to Helm",
        fix="dagger call gitops --service={app}",
        values="image:\n  tag: 33356460\n",
    ),
    "other-image": World(
        link="values",
        says=r"takes its image from docker.io/acme/api, and Slipway pushes to",
        fix=f"write image.repository: {REGISTRY}/",
        values=f'image:\n  repository: docker.io/acme/api\n  tag: "{TAG}"\n',
    ),
    "no-branch": World(
        link="values",
        says=r"no branch trunk in .*: there is main",
        fix="set gitops.branch: main",
        git=lambda settings: replace(settings, branch="trunk"),
    ),
    "git-denied": World(
        link="values",
        says=r"10.86.0.1 denies git fetch to the account slipway-bot",
        fix="check GIT_USERNAME and GH_PAT (or GIT_SSH_KEY), then dagger call diagnose --service={app}",
        git=lambda settings: replace(at_private(settings), token=NOBODY),
    ),
    "bad-tag": World(
        link="registry",
        says=r"the registry has no .*:deadbeef, which apps/",
        fix="dagger call deploy --service={app}",
        tag="deadbeef",
    ),
    "not-pushed": World(
        link="registry",
        says=r"the registry has no .*:feedbeef, which apps/",
        fix="dagger call push --service={app}",
        tag="feedbeef",
        settings=lambda target: replace(target, commit="feedbeef" + "0" * 32),
    ),
    "registry-down": World(
        link="registry",
        says=rf"registry {DEAD} does not answer",
        fix=f"curl -sS https://{DEAD}/v2/",
        values=f'image:\n  repository: {DEAD}/mosuon/api\n  tag: "{TAG}"\n',
        settings=dead_registry,
        registry=lambda settings: replace(settings, host=DEAD),
    ),
    "registry-denied": World(
        link="registry",
        says=r"refuses user 'mosuon-ci' \(401\)",
        fix="check REGISTRY_USERNAME and REGISTRY_PASSWORD",
        registry=lambda settings: replace(settings, password=NOBODY),
    ),
    "well": World(link="", says="", fix=""),
}


@pytest.mark.parametrize("name", WORLDS)
async def test_the_first_broken_link_is_named_with_its_fix(
    worlds: Worlds, kube: KubeClient, name: str
) -> None:
    await worlds.check(name, kube)


async def test_a_head_that_was_not_deployed_is_a_note_or_on_request_a_broken_link(
    worlds: Worlds, kube: KubeClient
) -> None:
    case = worlds.case("well", kube)
    case.target = replace(case.target, commit="bbbb2222" + "0" * 32)
    found = await diagnose(case)
    assert found.error is None, found.text()
    assert any("HEAD (bbbb2222) is not deployed" in note for note in found.notes)
    strict = worlds.case("well", kube)
    strict.target, strict.expect_head = case.target, True
    strict.target = replace(strict.target, image_tag="", commit="bbbb2222" + "0" * 32)
    document = (await diagnose(strict)).document()
    assert document["broken"] == "values"
    assert "not HEAD's bbbb2222" in document["cause"]
    image, run = document["evidence"].split("; ")
    assert image.endswith("not in the registry, it was not built and pushed")
    assert run == "no run of HEAD is known: gitops.receipts.store is false"
    assert COMMIT[:8] in document["cause"]
