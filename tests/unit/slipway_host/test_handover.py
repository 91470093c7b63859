"""What an earlier run hands over to `slipway-host` (R30)."""

import json

import pytest

from slipway_host.errors import SettingsError
from slipway_host.handover import Handover, images_of, read_handover

DIGEST = f"sha256:{'0' * 64}"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_receipt_gives_commit_environment_and_the_digests_it_knows() -> None:
    services = [{"service": "api", "digest": DIGEST}, {"service": "ui", "status": "Failed"}]
    text = json.dumps({"commit": COMMIT, "environment": "prod", "services": services})
    found = read_handover(text, name="receipt.json")
    assert found == Handover(digests={"api": DIGEST}, commit=COMMIT, environment="prod")


def test_what_push_printed_gives_the_digests() -> None:
    text = f"api: registry.invalid:5000/acme/api@{DIGEST}\nui: registry.invalid/acme/ui@{DIGEST}\n"
    assert read_handover(text, name="-").digests == {"api": DIGEST, "ui": DIGEST}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api: nothing",
        f"api: x@{DIGEST}\nError: something",
        "{",
        "{}",
        json.dumps({"commit": COMMIT[:8], "environment": "dev", "services": []}),
        json.dumps({"commit": f"{COMMIT}\n", "environment": "dev", "services": []}),
        json.dumps({"commit": COMMIT, "environment": "dev", "services": ["api"]}),
        json.dumps(
            {"commit": COMMIT, "environment": "dev", "services": [{"service": "../x", "digest": DIGEST}]}
        ),
        json.dumps(
            {"commit": COMMIT, "environment": "dev", "services": [{"service": "api", "digest": "latest"}]}
        ),
    ],
)
def test_what_is_neither_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match="hand"):
        read_handover(text, name="hand")


@pytest.mark.parametrize("word", ["api", "api=latest", f"../x={DIGEST}", f"api={DIGEST}\n", f"={DIGEST}"])
def test_an_image_is_a_service_and_a_whole_digest(word: str) -> None:
    assert images_of([f"api={DIGEST}"]) == {"api": DIGEST}
    with pytest.raises(SettingsError, match="is no image"):
        images_of([word])
