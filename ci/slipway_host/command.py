"""The command line of `slipway-host`: its words, and its help."""

from __future__ import annotations

import argparse
from importlib.metadata import version

from slipway_host.command_options import OPTIONS, common, images

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
  KUBECONFIG                             files, as for kubectl; without it, ~/.kube/config
  GITHUB_STEP_SUMMARY                    file that a deploy adds its summary to
  NO_COLOR                               no colours
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
    "diagnose": (
        "walk from the commit to the pods, and name the first link that does not hold, with its fix",
        "slipway-host diagnose --service api",
    ),
    "history": (
        "list the images that ran: when, by which commits and whom",
        "slipway-host history --limit 5",
    ),
    "logs": (
        "show the logs of the services' pods, without what looks like a credential",
        "slipway-host logs --service api --tail 50\n  slipway-host logs --service api --previous",
    ),
    "metrics": ("show what each ready pod answers on its Prometheus endpoint", "slipway-host metrics"),
    "rollback": (
        "return services to an older image by one GitOps commit, and prove that it runs",
        "slipway-host rollback --service api\n  slipway-host rollback --service api --to ab12cd34",
    ),
    "hold": (
        "stop, list or let go deploys of services",
        "slipway-host hold --service api --reason 'breaks logins'\n  slipway-host hold --service api --lift",
    ),
    "undo": (
        "emergency: return workloads to earlier pods at once, and suspend Argo CD's automated sync",
        "slipway-host undo --service api",
    ),
    "resume": ("give Argo CD back what undo has taken from it", "slipway-host resume --service api"),
    "rotate": (
        "give keys of a service's Secret new values, and replace every pod that reads it",
        "slipway-host rotate --service api --key JWT_SECRET --confirm api-secrets",
    ),
    "doctor": ("check rights and reachability of all that a deploy needs", "slipway-host doctor"),
    "rbac": (
        "print a ServiceAccount with the least rights that the services need",
        "slipway-host rbac | kubectl apply -f -",
    ),
    "config": ("show the effective configuration, with the origin of each value", "slipway-host config"),
}
WITH_IMAGES = ("deploy", "migrate", "gitops")
"""Commands about the images of a commit, which a receipt may name."""
WITHOUT_CLUSTER = ("config", "history", "hold", "rbac")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    form = argparse.RawDescriptionHelpFormatter
    whole = argparse.ArgumentParser(
        prog="slipway-host", description=DESCRIPTION, epilog=EPILOG, formatter_class=form, allow_abbrev=False
    )
    whole.add_argument("--version", action="version", version=f"slipway-host {version('slipway')}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="<command>", title="commands")
    for name, (what, example) in COMMANDS.items():
        one = commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=f"example:\n  {example}",
            formatter_class=form,
            allow_abbrev=False,
        )
        common(one)
        if name not in WITHOUT_CLUSTER:
            one.add_argument("--context", default="", metavar="NAME", help="context of the kubeconfig")
        if name in WITH_IMAGES:
            images(one)
        for flag in OPTIONS.get(name, ()):
            one.add_argument(*flag.names, **flag.how)
    return whole
