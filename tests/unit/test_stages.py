"""One contract for every stage that is discovered: what users see, and that nothing is kept from acting."""

import ast
import inspect
from pathlib import Path

import pytest

from slipway import Slipway
from slipway.stages import discover

STAGES = Path(inspect.getfile(discover)).parent
FILES = sorted(path for path in STAGES.glob("*.py") if path.name != "__init__.py")


def functions(stage: type) -> dict[str, object]:
    return {name: value for name, value in vars(stage).items() if not name.startswith("_")}


def test_functions_are_the_stages_of_the_chain_and_the_chain() -> None:
    names = {name for stage in discover() for name in functions(stage)}
    chain = {
        "test",
        "scan",
        "build",
        "push",
        "sbom",
        "sign",
        "verify",
        "database",
        "migrate",
        "secrets",
        "gitops",
        "sync",
        "smoke",
        "load",
    }
    others = {
        "abort",
        "config",
        "cost",
        "deploy",
        "diagnose",
        "doctor",
        "history",
        "hold",
        "init",
        "init_gitops",
        "image",
        "kpis",
        "logs",
        "metrics",
        "plan",
        "preview",
        "previews",
        "remove_preview",
        "promote",
        "rbac",
        "report",
        "record",
        "resume",
        "rollback",
        "rotate",
        "scan_reports",
        "status",
        "test_reports",
        "undo",
    }
    assert names == chain | others
    assert all(hasattr(Slipway, name) for name in names)


@pytest.mark.parametrize("stage", discover(), ids=lambda stage: stage.__name__)
def test_every_function_and_argument_is_explained(stage: type) -> None:
    for name, function in functions(stage).items():
        text = inspect.getdoc(function) or ""
        first = text.splitlines()[0]
        assert first.endswith((".", ";", "absent.")), f"{name}: {first!r} is no sentence"
        for parameter in list(inspect.signature(function).parameters.values())[1:]:  # type: ignore[arg-type]
            metadata = getattr(parameter.annotation, "__metadata__", ())
            assert any(getattr(item, "documentation", "") for item in metadata), f"{name}: {parameter.name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_public_method_acts_on_every_call(path: Path) -> None:
    """`stage_function` is what keeps the engine from answering for 7 days without calling."""
    classes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    assert len(classes) == 1
    for node in classes[0].body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            names = [item.id for item in node.decorator_list if isinstance(item, ast.Name)]
            assert names == ["stage_function"], f"{path.name}: {node.name}"


def test_two_stages_with_one_function_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import slipway.stages as package

    for name in ("zz_one", "zz_two"):
        (tmp_path / f"{name}.py").write_text("class S:\n    def same(self): ...\n\nSTAGE = S\n")
    monkeypatch.setattr(package, "__path__", [str(tmp_path)])
    with pytest.raises(RuntimeError, match="zz_one and zz_two both define 'same'"):
        package.discover()
