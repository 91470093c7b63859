"""R19: what the report of a run says, and that nothing in a receipt can do anything in it."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from slipway_host.run_facts import service_facts
from slipway_host.run_report import headline, listed, run_report, web
from support import runs

HOSTILE = '</style></svg><script>alert(1)</script><img src="https://evil.example/x" onerror=alert(1)>'
SOURCES = ("src", "href", "action", "data", "poster", "srcset", "xlink:href")


class Page(HTMLParser):
    """What a page would run and ask for, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: list[str] = []
        self.sources: list[str] = []
        self.said: list[str] = []
        self.style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.style = tag == "style"
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.handlers.append(name)
            if name in SOURCES:
                self.sources.append(value or "")

    def handle_data(self, data: str) -> None:
        if not self.style:
            self.said.append(data)
        self.style = False

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


def facts(document: dict[str, Any]) -> list[Any]:
    return [service_facts(document, service, None) for service in document["services"]]


def test_page_says_what_was_deployed_where_when_and_by_whom() -> None:
    document = runs.run(runs.service("api"))
    text = Page(
        run_report(document, {"api": runs.earlier("api")}, by="Nadia Okoro", subject="Scores <b>")
    ).text
    for said in (
        "api b99fccd2 is deployed to dev",
        "24 Nov 2026, 05:15 UTC · 1 min 27 s · commit by Nadia Okoro",
        "Environment dev",
        "What it brought Scores <b>",
        "Commit b99fccd2a1c0…",
        "GitOps commit 5180b43c9e8d…",
        "game-stats",
        "sha256:51372c7e…",
        "2 ready",
        "Compared with the last deploy, 3f2a91bc of 20 Nov 2026, 14:11 UTC.",
        "44.9 MB +1.4 MB",
        "4 layers, 1 of them new: a node that ran the last deploy loads 14.2 MB.",
        "CVE-2026-31337 in openssl (fixed: 3.5.4-1~deb13u2)",
    ):
        assert said in text


def test_findings_are_counted_against_the_last_deploy_s() -> None:
    document = runs.run(runs.service("api"))
    one = service_facts(document, document["services"][0], runs.earlier("api"))
    image = next(found for found in one.findings if found.what == "image")
    minus = "\N{MINUS SIGN}"
    assert [(row.severity, row.count, row.change) for row in image.rows] == [
        ("CRITICAL", 0, f"{minus}1"),
        ("HIGH", 2, "+1"),
        ("MEDIUM", 5, "±0"),
        ("LOW", 11, f"{minus}3"),
    ]


def test_first_deploy_has_nothing_to_compare_with_and_says_so() -> None:
    document = runs.run(runs.service("api"))
    text = Page(run_report(document, {})).text
    assert "There is no earlier deploy to compare with." in text
    assert "+1.4 MB" not in text
    assert "The line marks the last deploy." not in text


def test_failure_is_on_top_with_cause_what_landed_and_the_next_command() -> None:
    cause = "`go test ./...` failed with exit code 1: --- FAIL: TestScores: want 3. Got 4"
    landed = "push (10.86.0.1:5000/mosuon/api:b99fccd2)"
    one = runs.failed("api", "test", cause, landed=landed, command="dagger call test --service=api")
    page = Page(run_report(runs.run(one), {}))
    assert "api b99fccd2 is not deployed to dev" in page.text
    top = page.text.partition("What was run")[0]
    assert f"api: test failed {cause}" in top
    assert f"Landed {landed} Next dagger call test --service=api" in top


def test_older_receipt_without_times_layers_or_counts_is_shown_without_them() -> None:
    one = runs.service("api")
    for stage in one["stages"]:
        del stage["startedAt"]
        stage.pop("outputs", None)
    page = Page(run_report({**runs.run(), "services": [one]}, {}))
    assert "findings and image" not in page.text
    assert "svg" not in page.tags
    assert "test Succeeded \N{EN DASH} 1 min 4 s `go vet ./... && go test ./...` passed" in page.text


def test_run_that_concerned_no_service_is_a_page_too() -> None:
    page = Page(run_report(runs.run(), {}))
    assert "Nothing to deploy to dev: no service is concerned" in page.text
    assert "svg" not in page.tags


def test_run_that_failed_before_its_services_says_why() -> None:
    error = "deploy: registry ghcr.io refuses user 'acme' (401). Landed: nothing. Next: dagger call deploy"
    page = Page(run_report({**runs.run(), "error": error}, {}))
    assert "b99fccd2 is not deployed to dev" in page.text
    assert "run: deploy failed registry ghcr.io refuses user 'acme' (401). Landed nothing" in page.text


def test_receipt_that_is_not_verified_is_shown_as_such() -> None:
    page = Page(run_report(runs.run(runs.service("api")), {}, doubt="the branch has no such commit"))
    assert "This receipt is not verified: the branch has no such commit." in page.text


def test_why_nothing_is_compared_is_said() -> None:
    page = Page(run_report(runs.run(runs.service("api")), {}, alone="not compared: GH_PAT is not given"))
    assert "Not compared: GH_PAT is not given." in page.text


def test_automatic_rollback_is_part_of_the_timeline() -> None:
    one = runs.failed("api", "rollout", "it does not start", landed="gitops (x)", command="look")
    one["automaticRollback"] = {"stages": runs.stages("api")[8:11]}
    (found,) = facts(runs.run(one))
    assert [stage.name for stage in found.stages[-3:]] == ["back: gitops", "back: sync", "back: rollout"]
    assert "back: rollout" in Page(run_report(runs.run(one), {})).text


def hostile() -> dict[str, Any]:
    """Return a receipt in which every text is an attack."""
    one = runs.failed("api", "test", HOSTILE, landed=HOSTILE, command=HOSTILE)
    waiting = runs.service("db", status="Waiting", pullRequest=f"javascript:alert(1)//{HOSTILE}")
    other = runs.service("ui", namespace=HOSTILE, digest=HOSTILE, argocdRevision=HOSTILE, pullRequest=HOSTILE)
    other |= {"service": f"ui{HOSTILE}", "app": HOSTILE}
    for stage in other["stages"]:
        stage["summary"] = HOSTILE
        stage["stage"] += HOSTILE if stage["stage"] in {"build", "proof"} else ""
        for outputs in filter(None, [stage.get("outputs")]):
            if "worst" in outputs:
                outputs |= {"worst": [HOSTILE], "os": HOSTILE, "endOfLife": True}
            if "layers" in outputs:
                outputs["layers"] = {HOSTILE: runs.layers(5, 7)}
    texts = dict.fromkeys(("run", "environment", "commit", "tag", "gitopsCommit"), HOSTILE)
    return runs.run(one, waiting, other, **texts, source=f"javascript:alert(1)//{HOSTILE}")


def test_nothing_in_a_receipt_is_more_than_text() -> None:
    document = hostile()
    html = run_report(document, {document["services"][-1]["service"]: document}, by=HOSTILE, doubt=HOSTILE)
    page = Page(html)
    assert not page.tags & {
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "link",
        "form",
        "base",
        "foreignobject",
    }
    assert page.handlers == []
    assert page.sources == []
    assert page.text.count("<script>alert(1)</script>") > 20


def test_browser_is_told_to_take_no_script_and_only_this_style() -> None:
    html = run_report(runs.run(runs.service("api")), {})
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert policy
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    said = policy[1].replace("&#39;", "'")
    assert said == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_every_id_is_there_once() -> None:
    services = [runs.service(name) for name in ("api", "ui", "worker")]
    html = run_report(runs.run(*services), {name: runs.earlier(name) for name in ("api", "ui", "worker")})
    ids = re.findall(r'\bid="([^"]*)"', html)
    assert sorted(ids) == sorted(set(ids))


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        (["Deployed"], "a T is deployed to dev"),
        (["Unchanged"], "a T runs already in dev"),
        (["Failed"], "a T is not deployed to dev"),
        (["Waiting"], "a waits for a merge in dev"),
        (["Deployed"] * 3, "a, b and c T are deployed to dev"),
        (["Unchanged"] * 2, "a and b T run already in dev"),
        (["Deployed", "Unchanged"], "a T is deployed to dev; b ran it already"),
        (["Failed", "Deployed", "Unchanged"], "a failed in dev; 2 of 3 services run T"),
        (["Failed", "Failed", "Deployed"], "a and b failed in dev; 1 of 3 services run T"),
        (["Deployed"] * 6, "6 services T are deployed to dev"),
    ],
)
def test_headline_is_the_outcome_in_words(statuses: list[str], said: str) -> None:
    services = [
        {"service": name, "status": status, "stages": []}
        for name, status in zip("abcdef", statuses, strict=False)
    ]
    document = runs.run(*services, tag="T")
    assert headline(document, facts(document)) == said


def test_rollback_is_no_deploy() -> None:
    document = runs.run(runs.service("api", rollback={"from": "b99fccd2", "to": "3f2a91bc"}), tag="3f2a91bc")
    assert headline(document, facts(document)) == "api is rolled back to 3f2a91bc in dev"


def test_what_waits_for_a_merge_has_the_link_to_it() -> None:
    one = runs.service("api", status="Waiting", pullRequest="https://git.example.com/a/b/pulls/7")
    page = Page(run_report(runs.run(one), {}))
    assert "https://git.example.com/a/b/pulls/7" in page.sources
    assert "api waits for a merge Merge https://git.example.com/a/b/pulls/7 , then run" in page.text


def test_names_are_a_sentence() -> None:
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


def test_only_a_plain_https_address_is_a_link() -> None:
    assert web("https://git.example.com/a/b.git") == "https://git.example.com/a/b"
    for other in (
        "javascript:alert(1)",
        "http://git.example.com/a",
        "https://user:token@git.example.com/a",
        "git@git.example.com:a/b.git",
        "https://git.example.com/a?x=1",
        "",
    ):
        assert web(other) == ""


def test_who_asks_for_no_report_loads_nothing_of_it() -> None:
    # R2 of adoption: each `dagger call` pays for what its module imports.
    look = (
        "import sys, slipway.main; print(sorted({'jinja2', 'markupsafe', 'vl_convert'} & set(sys.modules)))"
    )
    ci = Path(__file__).parents[3] / "ci"
    done = subprocess.run([sys.executable, "-c", look], cwd=ci, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
