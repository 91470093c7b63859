"""Fault 58: a chart that makes random Secrets, which Argo CD would change with every sync."""

from pathlib import Path
from typing import Any

import pytest

from slipway_host.application import Application
from slipway_host.chart import random_secrets, refuse_random_secrets
from slipway_host.errors import ConflictError
from slipway_host.git import clone
from slipway_host.git_address import Address, same_place
from support.gitops_remote import Remote

HEAD = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: api\n"
LOOKED_UP = '(lookup "v1" "Secret" "x" "api").data.KEY'
LOOKUP = HEAD + f"data:\n  KEY: {{{{ {LOOKED_UP} | default (randAlphaNum 32 | b64enc) }}}}\n"
HELPERS = """\
{{- define "app.key" -}}
{{- include "app.random" . | b64enc -}}
{{- end -}}
{{- define "app.random" -}}
{{- randAlphaNum 32 -}}
{{- end -}}
{{- define "app.name" -}}api{{- end -}}
"""


@pytest.mark.parametrize(
    ("template", "function"),
    [
        (LOOKUP, "randAlphaNum"),
        (HEAD + "stringData:\n  ID: {{ uuidv4 }}\n", "uuidv4"),
        (HEAD + '{{- $ca := genCA "x" 365 }}\n', "genCA"),
        (HEAD + 'data:\n  KEY: {{ include "app.key" . }}\n', "randAlphaNum"),
        (HEAD + 'data:\n  KEY: {{ template "app.random" . }}\n', "randAlphaNum"),
        (HEAD + 'data:\n  KEY: {{ include "app.name" . }}\n', ""),
        (HEAD + "data:\n  KEY: {{ .Values.key | b64enc }}  # no randAlphaNum here\n", ""),
        (HEAD + "{{- /* randAlphaNum would rotate */}}\n", ""),
        (HEAD + "data:\n  KEY: {{ .Values.randAlphaNumLength }}\n", ""),
        (LOOKUP.replace("Secret\nmeta", "ConfigMap\nmeta"), ""),
    ],
)
def test_a_secret_is_random_by_its_own_words_or_by_those_that_it_includes(
    template: str, function: str
) -> None:
    found = random_secrets({"t/secret.yaml": template, "t/_helpers.tpl": HELPERS})
    assert found == ({"t/secret.yaml": function} if function else {})


def test_templates_that_include_each_other_have_an_end() -> None:
    circle = '{{ define "a" }}{{ include "b" . }}{{ end }}{{ define "b" }}{{ include "a" . }}{{ end }}'
    assert random_secrets({"s": HEAD + '{{ include "a" . }}', "h": circle}) == {}


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://git.invalid/acme/gitops.git", True),
        ("https://git.invalid/acme/gitops", True),
        ("ssh://git@git.invalid:2222/acme/gitops.git", True),
        ("git@git.invalid:acme/gitops.git", True),
        ("https://other.invalid/acme/gitops.git", False),
        ("https://git.invalid/acme/charts.git", False),
        ("oci://git.invalid/acme/gitops", True),
        ("None", False),
    ],
)
def test_a_repository_is_the_same_over_any_protocol(url: str, *, same: bool) -> None:
    assert same_place(url, Address("https", "", "git.invalid", "/acme/gitops.git")) is same


def application(remote: Remote, *, kinds: tuple[str, ...] = ("Secret",), **spec: Any) -> Application:
    source = {"repoURL": f"file://{remote.bare}", "path": "charts/app"}
    body: dict[str, Any] = {"metadata": {"name": "api"}, "spec": {"source": source, **spec}}
    body["status"] = {"resources": [{"kind": kind, "name": "api"} for kind in kinds]}
    return Application(body)


async def check(remote: Remote, app: Application) -> None:
    async with clone(remote.settings, protocols=("file",)) as copy:
        await copy.fetch()
        await refuse_random_secrets(copy, app)


async def test_only_what_argo_cd_renders_from_this_repository_and_does_not_ignore_counts(
    tmp_path: Path,
) -> None:
    remote = Remote(tmp_path)
    remote.put({"charts/app/templates/secret.yaml": LOOKUP, "charts/app/README.md": LOOKUP})
    with pytest.raises(ConflictError, match=r"charts/app/templates/secret\.yaml .* randAlphaNum") as caught:
        await check(remote, application(remote))
    assert "secrets.generate" in caught.value.next_command
    ignored: dict[str, Any] = {"ignoreDifferences": [{"kind": "Secret"}]}
    respected: dict[str, Any] = {"syncPolicy": {"syncOptions": ["RespectIgnoreDifferences=true"]}}
    elsewhere: dict[str, Any] = {
        "source": {"repoURL": "https://charts.invalid/x", "chart": "app", "path": "charts/app"}
    }
    several: dict[str, Any] = {
        "source": None,
        "sources": [elsewhere["source"], application(remote).body["spec"]["source"]],
    }
    for fine in (
        application(remote, kinds=("Deployment",)),
        application(remote, **ignored, **respected),
        application(remote, **elsewhere),
        application(remote, source={"repoURL": f"file://{remote.bare}", "path": "charts/none"}),
    ):
        await check(remote, fine)
    for wrong in (application(remote, **ignored), application(remote, **several)):
        with pytest.raises(ConflictError):
            await check(remote, wrong)
    (remote.work / "charts/app/templates/secret.yaml").unlink()
    (remote.work / "charts/app/templates/secret.yaml").symlink_to("../README.md")
    remote.put({})
    await check(remote, application(remote))
