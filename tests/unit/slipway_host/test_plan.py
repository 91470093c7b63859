"""A plan as a document, what it comes to in words, and when it does not hold any more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from slipway_host import plan as plans
from slipway_host.allowance import Allowed
from slipway_host.errors import MovedError, SettingsError, TerminalError
from slipway_host.loader import load_config
from slipway_host.plan import Plan, config_digest
from slipway_host.plan_check import moves, refuse_other
from slipway_host.plan_text import NOTHING, screen, sentence
from support.plan import COMMIT, CONFIG, planned, service

if TYPE_CHECKING:
    from slipway_host.plan import ServicePlan


def edited(plan: Plan, **changes: Any) -> Plan:
    """Return a plan whose one service differs."""
    return plan.model_copy(update={"services": (plan.services[0].model_copy(update=changes),)})


def test_a_saved_plan_is_read_as_it_was_written() -> None:
    plan = planned()
    assert plans.read(plan.to_json(), name="plan.json") == plan
    document = json.loads(plan.to_json())
    assert document["planVersion"] == 1
    assert document["services"][0]["secrets"]["pullAction"] == "create"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is no saved plan"),
        ("[]", "is no saved plan"),
        ('{"receiptVersion": 1}', "is no saved plan"),
        ('{"planVersion": 1, "services": []}', "of no service"),
        ('{"planVersion": 2, "services": [1]}', "planVersion 2, and this Slipway writes 1"),
        ('{"planVersion": 1, "services": [1]}', "is no saved plan: "),
        (planned().to_json().replace('"push": true', '"push": "canary"'), "image.push"),
        (planned().to_json().replace('"push": true', '"push": true, "more": "canary"'), "image.more"),
    ],
)
def test_what_is_no_plan_is_refused_and_not_repeated(text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        plans.read(text, name="plan.json")
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)
    assert caught.value.next_command.startswith("dagger call plan")


def test_the_screen_has_every_change_and_ends_with_one_sentence() -> None:
    text = screen(planned())
    for line in (
        "+ registry.test:5000/acme/api:0e123456 is built and pushed, and as latest; its digest is known then",
        "+ Secret api-secrets is created with DATABASE_URL (a new password), JWT_SECRET",
        "+ pull secret registry-credentials is created",
        "    CREATE ROLE api LOGIN PASSWORD '<SCRAM-SHA-256 verifier>';",
        "+ a Job, named by the digest, runs: ./migrate up",
        "~ apps/api/values.yaml is changed and committed: see below",
        "- Service/old is deleted (prune)",
        "the run keeps its receipt on branch slipway-receipts.",
        "? sync window: deny 0 22 * * * for 8h",
        '\n+  tag: "0e123456"',
    ):
        assert line in text, line
    assert text.splitlines()[-1] == "6 changes: image, secrets, database, migrate, gitops, argocd of api."


def in_place() -> ServicePlan:
    """Return a service that lacks nothing."""
    one = service()
    assert one.image
    assert one.secrets
    assert one.database
    assert one.migration
    assert one.sync
    return one.model_copy(
        update={
            "image": one.image.model_copy(update={"push": False, "digest": "sha256:1"}),
            "secrets": one.secrets.model_copy(
                update={
                    "namespace": False,
                    "create": False,
                    "add": (),
                    "pull_action": "keep",
                    "password": "DATABASE_URL",
                }
            ),
            "database": one.database.model_copy(update={"statements": {}}),
            "migration": one.migration.model_copy(update={"runs": False, "job": "j", "state": "done"}),
            "sync": one.sync.model_copy(update={"commit": False, "pruned": (), "image": "0e123456"}),
        }
    )


def test_where_all_is_there_nothing_would_change() -> None:
    plan = planned().model_copy(update={"services": (in_place(),), "commits": ()})
    assert sentence(plan.services, plan.commits) == NOTHING
    assert "+ " not in screen(plan)


def test_what_is_not_pruned_is_no_change() -> None:
    one = in_place()
    assert one.sync
    kept = one.model_copy(
        update={"sync": one.sync.model_copy(update={"pruned": ("Service/old",), "prune": False})}
    )
    assert sentence([kept], []) == NOTHING


def test_a_refusal_is_the_sentence() -> None:
    plan = planned()
    refused = edited(plan, refused=(plans.Refusal(stage="gitops", cause="held by amy", next="lift it"),))
    assert sentence(refused.services, refused.commits) == "Would be refused: api: gitops: held by amy"
    assert "next: lift it" in screen(refused)


def test_one_proposed_already_is_no_change() -> None:
    plan = planned()
    commit = plan.commits[0].model_copy(update={"proposal": "slipway/dev/api-0e123456", "proposed": True})
    found = sentence((in_place(),), (commit,))
    assert found == NOTHING


def test_equal_worlds_have_no_moves() -> None:
    assert moves(planned(), planned()) == []


def test_pods_and_states_that_come_and_go_are_no_moves() -> None:
    sync = planned().services[0].sync
    assert sync
    other = sync.model_copy(update={"pods": 7, "line": "Progressing"})
    assert moves(planned(), edited(planned(), sync=other)) == []


def test_a_fact_that_moved_is_told_from_what_to_what() -> None:
    facts = {**planned().services[0].facts, "file apps/api/values.yaml": "tag 9f9f9f9f, sha256:2"}
    (move,) = moves(planned(), edited(planned(), facts=facts))
    assert move.path == "apps/api/values.yaml"
    assert move.line("commit 12345678 of amy").removeprefix("api: file apps/api/values.yaml: ") == (
        "tag none, sha256:1 → tag 9f9f9f9f, sha256:2 (commit 12345678 of amy)"
    )


def test_a_part_that_differs_is_a_move_even_with_equal_facts() -> None:
    found = moves(planned(), edited(planned(), database=None))
    assert [move.name for move in found] == ["database"]
    other = planned().model_copy(update={"commits": ()})
    assert [move.name for move in moves(planned(), other)] == ["GitOps commit"]


def refused(plan: Plan, text: str = CONFIG, **changes: Any) -> str:
    wanted = {"environment": "dev", "commit": COMMIT, "names": [], **changes}
    with pytest.raises(TerminalError) as caught:
        refuse_other(plan, load_config(text, path="slipway.yaml"), **wanted)
    return str(caught.value)


def test_a_plan_of_another_deploy_is_refused() -> None:
    config = load_config(CONFIG, path="slipway.yaml")
    refuse_other(planned(), config, environment="dev", commit=COMMIT, names=["api"])
    assert "environment dev, and this is prod" in refused(planned(), environment="prod")
    assert f"commit {COMMIT}, and this is " in refused(planned(), commit="f" * 40)
    assert "api, and asked for is ui" in refused(planned(), names=["ui"])
    assert "another slipway.yaml" in refused(planned(), CONFIG.replace("port: 4000", "port: 4001"))
    said = refused(edited(planned(), refused=(plans.Refusal(stage="gitops", cause="held", next=""),)))
    assert "the plan says so itself" in said
    assert said.endswith("Next: dagger call plan")


def test_the_configuration_of_other_services_and_environments_is_no_matter() -> None:
    text = CONFIG + "  ui: {}\nenvironments:\n  staging: {}\n"
    one, other = (load_config(given, path="slipway.yaml") for given in (CONFIG, text))
    assert config_digest(one, "dev", ["api"]) == config_digest(other, "dev", ["api"])
    assert config_digest(one, "dev", ["api"]) != config_digest(one, "prod", ["api"])


def test_without_a_plan_all_is_allowed_and_with_one_what_it_names() -> None:
    free = Allowed()
    free.check_image("x", "sha256:1")
    assert (free.secret_keys, free.statements, free.values) == (None, None, None)
    assert free.namespace
    assert free.migration

    bound = Allowed(service())
    assert bound.secret_keys == ("DATABASE_URL", "JWT_SECRET")
    assert bound.pull_secret == {"create"}
    assert len(bound.statements or ()) == 1
    with pytest.raises(MovedError, match="sha256:1, and was absent in the plan"):
        bound.check_image("x", "sha256:1")
    blind = Allowed(service().model_copy(update={"secrets": None, "database": None, "migration": None}))
    assert (blind.namespace, blind.pull_secret, blind.secret_keys) == (False, frozenset(), ())
    assert (blind.statements, blind.migration) == ((), False)
