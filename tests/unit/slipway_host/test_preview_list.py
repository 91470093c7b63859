"""R29: the previews in a GitOps repository are told from what only looks like one."""

from __future__ import annotations

from typing import Any

import pytest

from slipway_host.config import Config
from slipway_host.preview_list import paths

ENVIRONMENTS: dict[str, Any] = {
    "pr-*": {"app": "{app}-{environment}", "preview": {"from": "dev"}},
    "pr-big-*": {"app": "{app}-{environment}"},
    "pr-9": {},
}


def config(values: str) -> Config:
    return Config.model_validate(
        {
            "registry": "ghcr.io/acme",
            "gitops": {"repository": "https://github.com/acme/gitops", "values": values},
            "environments": ENVIRONMENTS,
            "services": {"api": {}, "api-pr-1": {}},
        }
    )


def test_services_are_found_whatever_they_are_called() -> None:
    listed = ["apps/api-pr-1-pr-1/values.yaml", "apps/api-pr-1/values.yaml"]
    found = paths(config("apps/{app}/values.yaml"), "api-pr-1", "pr-*", listed)
    assert found == {"apps/api-pr-1-pr-1/values.yaml": "pr-1"}


@pytest.mark.parametrize(
    ("values", "listed", "found"),
    [
        (
            "apps/{app}/values.yaml",
            [
                "apps/api/values.yaml",
                "apps/api-pr-7/values.yaml",
                "apps/api-pr-7/app.yaml",
                "apps/api-pr-abc/values.yaml",
                "apps/api-pr-7/x/values.yaml",
                "apps/old/apps/api-pr-8/values.yaml",
                "apps/ui-pr-7/values.yaml",
                "apps/api-pr-/values.yaml",
                "apps/api-pr-X/values.yaml",
            ],
            {"apps/api-pr-7/values.yaml": "pr-7", "apps/api-pr-abc/values.yaml": "pr-abc"},
        ),
        (
            "envs/{environment}/{app}/values.yaml",
            ["envs/pr-7/api-pr-7/values.yaml", "envs/pr-7/api-pr-8/values.yaml", "envs/dev/api/values.yaml"],
            {"envs/pr-7/api-pr-7/values.yaml": "pr-7"},
        ),
        # Those of another pattern, and of an environment with words of its own, are none of this one.
        ("{app}.yaml", ["api-pr-big-1.yaml", "api-pr-9.yaml", "api-pr-5.yaml"], {"api-pr-5.yaml": "pr-5"}),
    ],
)
def test_previews_are_found_by_their_values_files(
    values: str, listed: list[str], found: dict[str, str]
) -> None:
    assert paths(config(values), "api", "pr-*", listed) == found
