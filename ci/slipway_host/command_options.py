"""The flags of `slipway-host`'s commands: named as those of `dagger call`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

CONFIG_PATH = "slipway.yaml"


@dataclass(frozen=True)
class Flag:
    """One flag, as `argparse` takes it."""

    names: tuple[str, ...]
    how: dict[str, Any]


def _switch(name: str, what: str) -> Flag:
    return Flag((name,), {"action": "store_true", "help": what})


def _text(name: str, metavar: str, what: str, default: str = "") -> Flag:
    return Flag((name,), {"default": default, "metavar": metavar, "help": what})


def _number(name: str, default: int, what: str) -> Flag:
    return Flag(
        (name,), {"type": int, "default": default, "metavar": "N", "help": f"{what} (default: {default})"}
    )


AS_JSON = _switch("--as-json", "print JSON instead of text")
RECEIPT_ONLY = _switch("--receipt-only", "print the JSON receipt and nothing else")
PLAIN = _switch("--plain", "show progress as lines, as in a CI; the default wherever there is no terminal")
OUTPUT = _text(
    "--output",
    "FOLDER",
    "write receipt.json, build.log, summary.md and report.html there, of a run that fails, too",
)
BY = _text("--by", "WHO", "who does it (default: GIT_USERNAME, else this machine's user)")
APP_SECRET = Flag(
    ("--app-secret",),
    {
        "action": "append",
        "default": [],
        "metavar": "NAME",
        "help": "variable, or NAME_FILE, with the value for a key in secrets.given; may be repeated",
    },
)
OPTIONS = {
    "deploy": (
        APP_SECRET,
        OUTPUT,
        _text("--plan", "FILE", "saved plan: do exactly that, and nothing where the world has moved since"),
        RECEIPT_ONLY,
    ),
    "plan": (
        APP_SECRET,
        _switch("--as-json", "print JSON instead of text, for deploy --plan"),
    ),
    "report": (
        _text("--run", "ID", "run, by its id in the receipt (default: the newest of these services)"),
        _number("--days", 0, "report one service over so many days, and not a run"),
        _text("--output", "FILE", "where to write it (default: report.html)", "report.html"),
    ),
    "secrets": (APP_SECRET,),
    "database": (
        APP_SECRET,
        _text(
            "--reset-password",
            "ROLE",
            "role that gets the password of its service's Secret, in place of another one: whatever else "
            "logs in as this role is locked out",
        ),
    ),
    "sync": (_switch("--terminate", "end a sync of somebody else that blocks this one"),),
    "init": (
        _text("--folder", "PATH", "the service's repository (default: .)", "."),
        Flag(
            ("--from",),
            {"dest": "script", "default": "", "metavar": "PATH", "help": "build script to read, in there"},
        ),
        _text("--registry", "NAME", "registry and namespace of the images, like ghcr.io/acme"),
        _text("--gitops", "ADDRESS", "address of the GitOps repository"),
        _text("--namespace", "NAME", "namespace of the services (default: each application's name)"),
        _text("--name", "NAME", "name that the services' begin with (default: the repository's)"),
        _text("--blueprint", "ADDRESS", "git address of Slipway, for a dagger.json where there is none"),
    ),
    "init-gitops": (
        Flag(("--folder",), {"required": True, "metavar": "PATH", "help": "clone of the GitOps repository"}),
        _text("--project", "NAME", "AppProject that is there already (default: one is written)"),
    ),
    "status": (AS_JSON,),
    "diagnose": (
        _switch("--head", "what runs has to be HEAD's image"),
        _switch("--as-json", "print JSON, and end with exit code 0 whatever is found"),
    ),
    "history": (_number("--limit", 20, "entries of each service, newest first"), AS_JSON),
    "kpis": (
        _number("--days", 30, "length of the window, which ends now; compared with the one before"),
        _switch("--as-json", "print JSON, with each day and each deployment"),
        _switch("--as-prometheus", "print Prometheus' text format"),
    ),
    "cost": (AS_JSON,),
    "logs": (
        _number("--tail", 100, "lines of each container"),
        _switch("--previous", "those of the containers before their last restart"),
        _text("--container", "NAME", "only containers of this name"),
        _number("--follow", 0, "seconds to print new lines for, as they come"),
    ),
    "metrics": (_text("--match", "TEXT", "only metrics whose name holds this"),),
    "rollback": (
        _text("--to", "TAG", "tag to return to (default: the newest that was not rolled back from)"),
        _text("--revert", "COMMIT", "GitOps commit of a deploy to take back, in place of a tag"),
        _text("--reason", "TEXT", "why, for whoever is stopped by the hold"),
        BY,
        _switch("--hold", "stop every deploy until that is lifted, and not only those of the tag left"),
        OUTPUT,
        RECEIPT_ONLY,
    ),
    "hold": (
        _text("--reason", "TEXT", "why; with it, deploys are stopped, without it, holds are listed"),
        _text("--tag", "TAG", "only this image (default: every deploy)"),
        BY,
        _switch("--lift", "lift the hold of the tag, without one all of them"),
    ),
    "previews": (AS_JSON,),
    "remove-preview": (
        Flag(
            ("--confirm",),
            {
                "required": True,
                "metavar": "NAME",
                "help": "the preview's name once more, since its databases and everything in them go",
            },
        ),
    ),
    "promote": (_switch("--full", "skip every step, pause and analysis that is left"),),
    "undo": (_number("--to-revision", 0, "revision as in kubectl rollout history, 0 for the one before"), BY),
    "rotate": (
        APP_SECRET,
        Flag(
            ("--key",),
            {
                "action": "extend",
                "type": lambda text: text.split(","),
                "required": True,
                "metavar": "KEY",
                "help": "key of the Secret; DATABASE_URL means the database's password; may be repeated",
            },
        ),
        Flag(
            ("--confirm",),
            {
                "required": True,
                "metavar": "SECRET",
                "help": "the Secret's name, since the old values stop working",
            },
        ),
        _text(
            "--rotation",
            "NAME",
            "name of the rotation; run again under it, nothing changes twice (default: today's date)",
        ),
    ),
    "doctor": (
        _switch("--as-json", "print JSON instead of a table"),
        _switch("--report-only", "end with exit code 0, whatever the report says"),
    ),
    "rbac": (
        _text(
            "--account",
            "NAME",
            "name of the ServiceAccount, its roles and their bindings (default: slipway-<application>, of "
            "several services slipway-<namespace>)",
        ),
        _text("--account-namespace", "NAME", "namespace of the ServiceAccount", "slipway"),
        _switch("--sync-windows", "also the right to read Argo CD's projects, which no stage needs"),
        _switch("--for-plan", "only what plan needs: the account can change nothing"),
    ),
}


def common(one: argparse.ArgumentParser) -> None:
    """Add what every command has."""
    one.add_argument(
        "--config",
        default=CONFIG_PATH,
        metavar="PATH",
        help=f"configuration, in a clone of the services' repository (default: {CONFIG_PATH})",
    )
    one.add_argument(
        "--environment",
        default="",
        metavar="NAME",
        help="dev, prod or one of the configuration's (default: the receipt's, else dev)",
    )
    one.add_argument(
        "--service",
        action="extend",
        type=lambda text: text.split(","),
        default=[],
        metavar="NAME",
        help="a service; may be repeated (default: all)",
    )


def images(one: argparse.ArgumentParser) -> None:
    """Add what the commands have that are about the images of a commit."""
    one.add_argument(
        "--commit",
        default="",
        metavar="REVISION",
        help="commit of the images (default: the receipt's, else HEAD)",
    )
    one.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="SERVICE=DIGEST",
        help="digest that the registry has to have for the commit; may be repeated (default: what it has)",
    )
    one.add_argument(
        "--receipt",
        default="",
        metavar="FILE",
        help="receipt of an earlier run, or what `dagger call push` printed; - is standard input",
    )
