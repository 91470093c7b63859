from slipway_host.image_change import SOURCE_COMMIT
from slipway_host.names import BRANCH
from slipway_host.proposal import body, branch_name
from support.gitops_remote import change

DIGEST = "sha256:" + "ab" * 32


def test_the_branch_says_environment_applications_and_tag() -> None:
    assert branch_name("prod", [change("api")]) == "slipway/prod/api-1234abcd"
    # In any order of the same services: it is the same proposal.
    both = branch_name("prod", [change("ui"), change("api")])
    assert both == branch_name("prod", [change("api"), change("ui")]) == "slipway/prod/api_ui-1234abcd"


def test_other_applications_have_other_branches_however_many_they_are() -> None:
    assert branch_name("p", [change("a-b"), change("c")]) != branch_name("p", [change("a"), change("b-c")])
    many = [change(f"service-{number:02d}") for number in range(40)]
    one, other = branch_name("prod", many), branch_name("prod", many[:-1])
    assert one != other
    for name in (one, other):
        assert len(name) < 200
        assert BRANCH.fullmatch(name)


def test_the_text_names_each_fact_and_keeps_the_trailers() -> None:
    text = body([change("api", digest=DIGEST, source_url="https://u:canary@h/api"), change("ui")], "prod")
    assert "| api | `1234abcd` |" in text
    assert DIGEST in text
    assert text.rstrip().splitlines()[-1] == f"{SOURCE_COMMIT}: {'1234abcd' * 5} (ui)"
    assert "canary" not in text
