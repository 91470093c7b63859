"""The command line of `slipway-host`: its words, and its help."""

from __future__ import annotations

import argparse
from importlib.metadata import version

from slipway_host.help import Parser, grouped

DESCRIPTION = """\
Run Slipway's host-side step on this machine, without Dagger: with its kubeconfig (exec plugins, contexts),
its SSH agent and its network. The images have been pushed before, by `dagger call push` or by a deploy.
"""
EPILOG = """\
environment:
  REGISTRY_USERNAME, REGISTRY_PASSWORD   account at the registry
  GIT_USERNAME, GH_PAT                   account at the git server over https, and for pull requests
  GIT_SSH_KEY                            private key for git over ssh; without it, the agent is asked
  GIT_SIGNING_KEY                        private SSH key that signs the commits; without it, none is signed
  POSTGRES_PASSWORD                      administrator's; without it, the cluster's own Secret is read
  POSTGRES_DSN                           administrator's connection string, for a server outside the cluster
  JWT_SECRET                             for a new Secret; without it, a random one is made
  NOTIFY_WEBHOOK, NOTIFY_KEY             webhook that is told how a deploy ended, and a key that signs it
  DEPLOYMENTS_TOKEN                      for deployments shown at GitHub; without it, GH_PAT
  RUN_URL                                where this run's log is; known by itself in GitHub Actions
  KUBECONFIG                             files, as for kubectl; without it, ~/.kube/config
  GITHUB_STEP_SUMMARY                    file that a deploy adds its summary to
  NO_COLOR                               no colours; CI or TERM=dumb: progress as lines
A secret may be in a file instead, which NAME_FILE names: GH_PAT_FILE=/run/secrets/gh-pat.

exit codes:
  0 done or nothing to do   1 did not work: one line says why, what landed and what to type next
  2 wrong usage   3 a defect of Slipway   130 SIGINT, 143 SIGTERM: the line says what landed
"""
COMMANDS = {
    "deploy": (
        "deliver pushed images: Secrets, database, GitOps commit, sync, rollout, health, proof",
        "slipway-host deploy\n  slipway-host deploy --receipt receipt.json --service api",
    ),
    "secrets": ("make namespaces, pull secrets and the services' Secrets", "slipway-host secrets"),
    "database": ("make the services' databases and the roles that own them", "slipway-host database"),
    "migrate": (
        "run the migrations of the pushed images as Kubernetes Jobs, and print their logs",
        "slipway-host migrate --service api",
    ),
    "gitops": (
        "commit the pushed images' tags to the GitOps repository",
        "slipway-host gitops --image api=sha256:…",
    ),
    "sync": ("have Argo CD apply the newest commit of the branch, and wait", "slipway-host sync"),
    "status": ("show what runs since when, by which commits and whom, and how it is", "slipway-host status"),
    "doctor": ("check rights and reachability of all that a deploy needs", "slipway-host doctor"),
    "config": ("show the effective configuration, with the origin of each value", "slipway-host config"),
}
GROUPS = {
    "deliver": ("deploy",),
    "one step of it": ("secrets", "database", "migrate", "gitops", "sync"),
    "look": ("status", "doctor", "config"),
}
"""Where each command stands in the help."""
WITH_IMAGES = ("deploy", "migrate", "gitops")
WITH_SECRETS = ("deploy", "secrets", "database")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    listed = grouped({name: what for name, (what, _) in COMMANDS.items()}, GROUPS)
    whole = Parser(
        "slipway-host",
        usage="slipway-host <command> [options]",
        description=f"{DESCRIPTION}\n{listed}",
        epilog=EPILOG,
    )
    whole.add_argument("--version", action="version", version=f"slipway-host {version('slipway')}")
    commands = whole.add_subparsers(
        dest="command", required=True, metavar="<command>", help=argparse.SUPPRESS
    )
    for name, (what, example) in COMMANDS.items():
        prog = f"slipway-host {name}"
        one = commands.add_parser(
            name,
            prog=prog,
            usage=f"{prog} [options]",
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=f"example:\n  {example}",
        )
        _common(one)
        if name != "config":
            one.add_argument("--context", default="", metavar="NAME", help="context of the kubeconfig")
        if name in WITH_IMAGES:
            _images(one)
        if name in WITH_SECRETS:
            one.add_argument(
                "--app-secret",
                action="append",
                default=[],
                metavar="NAME",
                help="variable, or NAME_FILE, with the value for a key in secrets.given; may be repeated",
            )
        if name == "deploy":
            one.add_argument(
                "--output",
                default="",
                metavar="FOLDER",
                help="write receipt.json, build.log and summary.md there, whether the run succeeds or not",
            )
            one.add_argument(
                "--receipt-only", action="store_true", help="print the JSON receipt and nothing else"
            )
        _output(one)
        whole.known |= {name, *one.known}
    return whole


def _common(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--config",
        default="slipway.yaml",
        metavar="PATH",
        help="configuration, in a clone of the services' repository (default: slipway.yaml)",
    )
    one.add_argument(
        "--environment",
        default="",
        metavar="NAME",
        help="dev, prod or one of the configuration's (default: the receipt's, else dev)",
    )
    one.add_argument(
        "--service",
        action="append",
        default=[],
        metavar="NAME",
        help="a service; may be repeated (default: all)",
    )


def _output(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--plain",
        action="store_true",
        help="show progress as lines, as in a CI; the default wherever there is no terminal",
    )


def _images(one: argparse.ArgumentParser) -> None:
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
