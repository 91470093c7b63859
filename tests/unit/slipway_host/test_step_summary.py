"""The receipt in Markdown (R19)."""

from slipway_host.step_summary import markdown, text
from support.receipts import DIGEST, SOURCE, document, service

PODS = [{"name": "api-1"}, {"name": "api-2"}]


def test_a_deploy_says_what_runs_and_lists_its_stages() -> None:
    said = markdown(document(service(commit="c" * 40, pods=PODS), run="20260801T000000-0001"))
    assert said.startswith(
        f"### ✅ Deployed api {SOURCE[:8]} in prod, namespace shop\n\n2 ready pods run `{DIGEST}`.\n\n"
        f"commit [`{SOURCE[:8]}`](https://h.test/acme/shop/commit/{SOURCE}) · GitOps commit `{'c' * 40}`"
        " · took 90.0 s, until "
    )
    assert said.endswith(
        "| stage | status | time | what |\n"
        "| --- | --- | ---: | --- |\n"
        "| push | ✅ Succeeded | 1.5 s | push said something |\n"
        "| gitops | ✅ Succeeded | 1.5 s | gitops said something |"
    )


def test_several_services_are_columns_with_a_headline_each() -> None:
    said = markdown(document(service(commit="c" * 40, pods=PODS[:1]), service("ui", "Failed")))
    assert "### ✅ Deployed api" in said
    assert "1 ready pod runs" in said
    assert "### ❌ ui failed\n\n> test: 2 tests fail. Landed: nothing. Next: dagger call deploy" in said
    assert "| stage | api | ui |\n| --- | --- | --- |\n| test |  | ❌ Failed 1.5 s |" in said


def test_a_rollback_an_unchanged_and_a_waiting_service_say_so() -> None:
    back = service(commit="c" * 40, pods=PODS, rollback={"from": "new", "to": "old", "sourceCommit": ""})
    waiting = service(status="Waiting", pullRequest="https://h.test/pulls/7")
    assert "### ✅ Rolled back from new to api old" in markdown(document(back))
    assert "### ✅ Nothing to do: api" in markdown(
        document(service(status="Unchanged", commit="c" * 40, pods=PODS))
    )
    assert "Merge https://h.test/pulls/7, then run this again." in markdown(document(waiting))


def test_a_run_that_ended_before_its_services_says_why() -> None:
    assert "### ❌ Failed\n\n> deploy: GH\\_PAT is not given" in markdown(
        document(error="deploy: GH_PAT is not given", source="")
    )
    assert "### ✅ Nothing to do" in markdown(document())


def test_nothing_that_somebody_else_said_is_markup_or_a_name() -> None:
    assert text("a|b `c` <img> @acme/ops\n# d [x](y)") == (
        "a\\|b \\`c\\` &lt;img&gt; @<!-- -->acme/ops \\# d \\[x\\](y)"
    )
    assert "](javascript" not in markdown(document(source="javascript:alert(1)"))
