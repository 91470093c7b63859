"""The command line of `slipway-host`: its words, and its help."""

from __future__ import annotations

import argparse
from importlib.metadata import version

from slipway_host.command_options import CONFIG_PATH, OPTIONS, PLAIN, common, images
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
  ARGOCD_AUTH_TOKEN                      token at Argo CD's own API, where the configuration has argocd.server
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
        "deliver pushed images: Secrets, database, GitOps commit, sync, rollout, health, smoke, load, proof",
        "slipway-host deploy\n  slipway-host deploy --receipt receipt.json --service api",
    ),
    "plan": (
        "show what a deploy would change now, and change nothing",
        "slipway-host plan\n  slipway-host plan --as-json > p.json && slipway-host deploy --plan p.json",
    ),
    "secrets": ("make namespaces, pull secrets and the services' Secrets", "slipway-host secrets"),
    "database": ("make the services' databases and the roles that own them", "slipway-host database"),
    "migrate": (
        "run the migrations of the pushed images as Kubernetes Jobs, and print their logs",
        "slipway-host migrate --service api",
    ),
    "smoke": (
        "run the smoke tests against the pods that run the pushed images, and print their logs",
        "slipway-host smoke --service api",
    ),
    "load": (
        "send the load checks' requests to the pods that run the pushed images, and say what was measured",
        "slipway-host load --service api",
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
    "kpis": (
        "show build, deploy and success, and DORA's four metrics, against their targets",
        "slipway-host kpis --days 90",
    ),
    "cost": (
        "show what the running services request and may use, and what that costs",
        "slipway-host cost --service api",
    ),
    "report": (
        "write the report of a run, or of one service over time, as one HTML file",
        "slipway-host report --service api\n  slipway-host report --service api --days 30 --output api.html",
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
    "preview": (
        "make the applications of a preview, as copies, and wait until Argo CD has them",
        "slipway-host preview --environment pr-42",
    ),
    "previews": (
        "list the previews in the GitOps repository, the oldest change first",
        "slipway-host previews",
    ),
    "remove-preview": (
        "take a preview away: its applications, databases and namespaces",
        "slipway-host remove-preview --environment pr-42 --confirm pr-42",
    ),
    "undo": (
        "emergency: return workloads to earlier pods at once, and suspend Argo CD's automated sync",
        "slipway-host undo --service api",
    ),
    "resume": ("give Argo CD back what undo has taken from it", "slipway-host resume --service api"),
    "promote": (
        "lead a paused Rollout on to its next step, or with --full to its end",
        "slipway-host promote --service api\n  slipway-host promote --service api --full",
    ),
    "abort": (
        "give the new version of a Rollout up, and all traffic back to the stable one",
        "slipway-host abort --service api",
    ),
    "rotate": (
        "give keys of a service's Secret new values, and replace every pod that reads it",
        "slipway-host rotate --service api --key JWT_SECRET --confirm api-secrets",
    ),
    "doctor": ("check rights and reachability of all that a deploy needs", "slipway-host doctor"),
    "init": (
        "write what a service's repository needs, and nothing over what is there",
        "slipway-host init --from build.sh\n  slipway-host init --registry ghcr.io/acme --gitops https://…",
    ),
    "init-gitops": (
        "write chart, Argo CD Applications, limits and rights into a clone of the GitOps repository",
        "slipway-host init-gitops --folder ../devops-k8s",
    ),
    "rbac": (
        "print a ServiceAccount with the least rights that the services need",
        "slipway-host rbac | kubectl apply -f -",
    ),
    "config": ("show the effective configuration, with the origin of each value", "slipway-host config"),
}
GROUPS = {
    "deliver": ("deploy", "rollback", "hold"),
    "one step of a deploy": ("secrets", "database", "migrate", "gitops", "sync", "smoke", "load"),
    "previews": ("preview", "previews", "remove-preview"),
    "look": ("plan", "status", "diagnose", "history", "report", "logs", "metrics", "kpis", "cost"),
    "set up": ("init", "init-gitops", "doctor", "rbac", "config"),
    "rarely": ("promote", "abort", "rotate", "undo", "resume"),
}
"""Where each command stands in the help."""
WITH_IMAGES = ("deploy", "plan", "migrate", "gitops", "smoke", "load")
"""Commands about the images of a commit, which a receipt may name."""
WITHOUT_CLUSTER = ("config", "history", "hold", "init", "init-gitops", "kpis", "previews", "rbac", "report")


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
    # Listed above, in groups.
    commands = whole.add_subparsers(
        dest="command", required=True, metavar="<command>", help=argparse.SUPPRESS
    )
    for name, (what, example) in COMMANDS.items():
        one = commands.add_parser(
            name,
            prog=f"slipway-host {name}",
            usage=f"slipway-host {name} [options]",
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=f"example:\n  {example}",
        )
        if name == "init":
            # It may be there to make the configuration, and is about the whole repository.
            one.set_defaults(config=CONFIG_PATH, environment="")
        else:
            common(one)
        if name not in WITHOUT_CLUSTER:
            one.add_argument("--context", default="", metavar="NAME", help="context of the kubeconfig")
        if name in WITH_IMAGES:
            images(one)
        for flag in OPTIONS.get(name, ()):
            one.add_argument(*flag.names, **flag.how)
        one.add_argument(*PLAIN.names, **PLAIN.how)
        whole.known |= {name, *one.known}
    return whole
