"""R23: what a repository is made of, with the evidence."""

import json
from pathlib import Path

import pytest

from slipway_host.errors import SettingsError
from slipway_host.loader import load_config
from slipway_host.scaffold import code
from slipway_host.scaffold.outcome import Outcome
from slipway_host.scaffold.repository import Wishes, scaffold
from slipway_host.scaffold.services import find
from slipway_host.scaffold.stacks import stack_of
from slipway_host.scaffold.tree import Tree

EXAMPLES = Path(__file__).parents[3] / "examples" / "game-stats"
ASKED = {"registry": "ghcr.io/acme", "gitops": "https://github.com/acme/k8s.git"}


def tree(folder: Path, files: dict[str, str]) -> Tree:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Tree(folder)


def outcome_of(folder: Path, files: dict[str, str], name: str = "shop") -> Outcome:
    return scaffold(tree(folder, files), Wishes(**ASKED), folder=name)


def test_the_examples_are_found_as_they_are() -> None:
    found = find(Tree(EXAMPLES), "game-stats")
    assert [(one.name, one.folder, one.stack and one.stack.name) for one in found] == [
        ("game-stats-api", "api", "Go 1.24"),
        ("game-stats-ui", "ui", "Node.js 20 with npm"),
        ("game-stats-worker", "worker", "Python 3.13"),
    ]


def test_the_examples_get_what_their_teams_wrote(tmp_path: Path) -> None:
    text = scaffold(Tree(EXAMPLES / "api"), Wishes(**ASKED), folder="x").report()
    # There is a slipway.yaml: what it says counts.
    assert "slipway.yaml is there" in text
    ours = load_config((EXAMPLES / "slipway.yaml").read_text())
    for name, folder in (("game-stats-api", "api"), ("game-stats-ui", "ui"), ("game-stats-worker", "worker")):
        files = {
            path.relative_to(EXAMPLES / folder).as_posix(): path.read_text()
            for path in (EXAMPLES / folder).rglob("*")
            # What tools have left in the folder is none of the team's.
            if path.is_file() and not {"slipway.yaml", "dagger.json", ".ruff_cache"} & set(path.parts)
        }
        config = load_config(outcome_of(tmp_path / folder, files, name).new["slipway.yaml"])
        made, wanted = config.services[name], ours.services[name]
        assert made.health == wanted.health
        assert made.test is not None
        assert wanted.test is not None
        assert made.test.image == wanted.test.image
        assert (made.database is None) == (wanted.database is None)
        assert made.secrets.generate.keys() == wanted.secrets.generate.keys()


@pytest.mark.parametrize(
    ("files", "name", "start"),
    [
        ({"go.mod": "module x\n\ngo 1.22\n", "main.go": "package main\n"}, "Go 1.24", "go"),
        ({"go.mod": "module x\n\ngo 1.26.1\n", "cmd/api/main.go": "package main\n"}, "Go 1.26", "go"),
        ({"package.json": '{"scripts": {"start": "node a.js"}}'}, "Node.js 24 with npm", "node"),
        (
            {"package.json": '{"main": "a.js", "engines": {"node": ">=20.11"}}', "yarn.lock": ""},
            "Node.js 20 with yarn",
            "node",
        ),
        (
            {
                "package.json": '{"dependencies": {"next": "16"}, "packageManager": "pnpm@10.1.0"}',
                "pnpm-lock.yaml": "",
                "next.config.mjs": 'export default { output: "standalone" }',
            },
            "Next.js, Node.js 24 with pnpm",
            "next",
        ),
        ({"package.json": '{"dependencies": {"next": "16"}}'}, "Next.js, Node.js 24 with npm", ""),
        ({"requirements.txt": "fastapi\nuvicorn\n", "main.py": "app = FastAPI()\n"}, "Python 3.13", "python"),
        ({"requirements.txt": "x\n", "jobs/__main__.py": ""}, "Python 3.13", "python"),
        ({"requirements.txt": "", "main.py": "serve_forever()\n"}, "Python 3.13", "python"),
        ({"requirements.txt": "fastapi\n", "main.py": "app = FastAPI()\n"}, "Python 3.13", ""),
        ({"pyproject.toml": '[project]\nrequires-python = ">=3.14"\n'}, "Python 3.14", ""),
        ({"package.json": '{"scripts": {"start": "tsx watch src/a.ts"}}'}, "Node.js 24 with npm", ""),
    ],
)
def test_stacks(tmp_path: Path, files: dict[str, str], name: str, start: str) -> None:
    stack = stack_of(tree(tmp_path, files), ".")
    assert stack is not None
    assert (stack.name, stack.template) == (name, start)
    # Either there is a Dockerfile, or a reason why there is none.
    assert bool(stack.template) != bool(stack.missing)


def test_a_manifest_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert stack_of(tree(tmp_path, {"package.json": "{", "README.md": ""}), ".") is None


@pytest.mark.parametrize(
    ("line", "port"),
    [
        ('http.ListenAndServe(":8080", nil)', "8080"),
        ("const defaultPort = 4000", "4000"),
        ('os.getenv("PORT", "5000")', "5000"),
        ("app.listen(3001)", "3001"),
        ("process.env.PORT || 3002", "3002"),
        ("uvicorn.run(app, port=8001)", "8001"),
        ('import "x/y2024"', None),
        ('dsn = "host=db port=5432"', None),
        ("report 2024 was read", None),
    ],
)
def test_ports(tmp_path: Path, line: str, port: str | None) -> None:
    found = code.port(tree(tmp_path, {"main.go": f"\n{line}\n"}), ".", None)
    assert (found and found.value) == port
    assert found is None or found.where == "main.go:2"


def test_the_images_port_wins_over_the_codes(tmp_path: Path) -> None:
    files = {"Dockerfile": "FROM a\nEXPOSE 9000\nFROM b\nEXPOSE 4001/tcp\n", "main.go": 'Listen(":80")'}
    found = code.port(tree(tmp_path, files), ".", "Dockerfile")
    assert found is not None
    assert (found.value, found.where) == ("4001", "Dockerfile:4")


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("main.go", 'mux.HandleFunc("GET /health", h)', "/health"),
        ("main.go", 'a("/api/v1/healthz"); b("/health")', "/health"),
        ("app/main.py", '@app.get("/livez")', "/livez"),
        ("app/api/health/route.ts", "", "/api/health"),
        ("src/app/(public)/api/health/route.ts", "", "/api/health"),
        ("pages/api/healthz.js", "", "/api/healthz"),
        ("main.go", 'a("/wealth")', None),
        ("main_test.go", 'a("/health")', None),
        ("docs/docs.go", '"/health"', None),
    ],
)
def test_health_endpoints(tmp_path: Path, path: str, text: str, expected: str | None) -> None:
    found = code.health(tree(tmp_path, {path: text}), ".")
    assert (found and found.value) == expected


def test_paths_in_a_pages_code_are_other_services(tmp_path: Path) -> None:
    files = {"next.config.ts": "", "src/api.ts": 'get("/analytics/health")'}
    assert code.health(tree(tmp_path, files), ".") is None


def test_what_nobody_could_find_is_marked_and_not_invented(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path, {"Dockerfile": "FROM scratch\n"})
    text = outcome.new["slipway.yaml"]
    todos = [line.strip() for line in text.splitlines() if "# TODO" in line]
    assert [line.partition(":")[0] for line in todos] == [
        "# TODO namespace",
        "# TODO health.path",
        "# TODO health.port",
        "# TODO test",
    ]
    assert "buildArgs" not in text
    assert load_config(text).services.keys() == {"shop"}


def test_a_secret_that_the_code_reads_is_named(tmp_path: Path) -> None:
    files = {"package.json": '{"main": "a.js"}', "a.js": "process.env.STRIPE_KEY; process.env.LOG_LEVEL"}
    text = outcome_of(tmp_path, files).new["slipway.yaml"]
    assert "a.js:1 reads STRIPE_KEY" in text
    assert "LOG_LEVEL" not in text


def test_a_workspace_is_the_folder_of_its_services(tmp_path: Path) -> None:
    package = json.dumps({"main": "a.js"})
    files = {
        "package.json": '{"workspaces": ["services/*"]}',
        "services/web/package.json": package,
        "services/web/node_modules/x/package.json": package,
        "services/web/lib/inner/package.json": package,
        "services/shared/package.json": '{"name": "shared"}',
        "services/shop-mail/Dockerfile": "FROM scratch\n",
    }
    found = find(tree(tmp_path, files), "shop")
    assert [(one.name, one.folder) for one in found] == [
        ("shop-mail", "services/shop-mail"),
        ("shop-web", "services/web"),
    ]


def test_a_folder_without_a_service_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nothing here looks like a service"):
        outcome_of(tmp_path, {"README.md": ""})
    assert list(tmp_path.iterdir()) == [tmp_path / "README.md"]
