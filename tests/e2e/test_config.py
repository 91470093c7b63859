"""R1 on the lab: `dagger call config` shows what counts in an environment, and who says so."""

import re

from support.app import App


def values(text: str) -> dict[str, tuple[str, str]]:
    """Key by key at any depth: value and origin."""
    found = re.findall(r"^ *([\w-]+): +(.+?) +# (.+)$", text, re.MULTILINE)
    return {key: (value, origin) for key, value, origin in found}


def test_values_have_the_origin_that_wins(app: App) -> None:
    text = (app.folder / "slipway.yaml").read_text()
    app.commit({"slipway.yaml": f"{text}\nenvironments:\n  prod:\n    requireSignature: true\n"})
    line = len(text.splitlines()) + 4
    prod = app.call("config", before=["--environment=prod"])
    assert prod.code == 0, prod.error
    shown = values(prod.out)
    assert shown["requireSignature"] == ("true", f"environment prod (slipway.yaml:{line})")
    assert shown["latest"] == ("false", "built-in prod")
    assert shown["registry"][1] == "slipway.yaml:1"
    dev = values(app.call("config").out)
    assert dev["latest"] == ("true", "built-in dev")
    assert dev["requireSignature"] == ("false", "default")


def test_unknown_environment_is_one_line(app: App) -> None:
    said = app.call("config", before=["--environment=staging"])
    assert said.code == 1
    assert said.out == ""
    assert "config: unknown environment 'staging': there are dev, prod" in said.error
    assert "Landed: nothing" in said.error
    assert "Next: " in said.error
