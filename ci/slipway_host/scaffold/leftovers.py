"""What is said of a script's variables that have no place in `slipway.yaml`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slipway_host.scaffold.advice import Advice
from slipway_host.scaffold.script import COMMIT, LIST, TAG
from slipway_host.scaffold.secretive import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from slipway_host.scaffold.script import Script, Variable

WANTED = ("DEVOPS_REPO", "NAMESPACE", "APP_NAME", "SERVICE_NAME", "APP")
"""Variables that somebody has to look up where the script does not tell them."""
SHELL = re.compile(
    r"(RED|GREEN|YELLOW|BLUE|CYAN|MAGENTA|BOLD|NC|RESET|NO_COLOR|SCRIPT_DIR|ROOT_DIR|IFS|PATH|DOCKER_BUILDKIT|KUBECONFIG|LC_ALL|LANG)$|_COLOR$"
)
"""Variables of the shell's own, of which nothing is to be said."""
NO_PLACE = {
    "DEPLOY": "`dagger call push` builds and pushes without deploying",
    "SETUP_DATABASES": "services.<name>.database says whether there is one",
    "SETUP_SECRETS": "services.<name>.secrets says which there are",
    "DB_TYPES": "databases other than PostgreSQL have no place; REDIS_URL is a key for secrets.given",
    "DEVOPS_DIR": "the GitOps repository is cloned anew for each run",
    "CLONE_URL": "gitops.repository is what is cloned, with ghPat",
    "KUBE_CONFIG": "kubeConfig=env://KUBE_CONFIG in .env",
    "TRIVY_ECODE": "environments.<name>.scan.gate says what stops a run",
    "TRIVY_SEVERITY": "environments.<name>.scan.severity says what the gate looks at",
    "SEVERITY": "environments.<name>.scan.severity says what the gate looks at",
}


def leftovers(script: Script, used: Iterable[str]) -> Iterator[Advice]:
    """Tell every variable once that was not used: what takes its place, or that nothing does."""
    told = set(used)
    for one in script.variables:
        # Its words were read as those of a command; what holds the commit has a place in buildArgs.
        silent = one.why == LIST or one.value in {"", COMMIT, TAG} or bool(SHELL.match(one.name))
        # A credential from elsewhere is in .env now.
        silent = silent or (one.value is None and is_secret(one.name, "") and "run of" not in one.why)
        if one.name not in told and one.name.isupper() and not silent:
            what, instead = _fate(one)
            yield Advice(line=one.line, what=what, instead=instead)
        told.add(one.name)
    for name in WANTED:
        unread = next((one for one in script.variables if one.name == name and one.value is None), None)
        if unread and script.first(name) is None:
            what = f"{name} could not be read: {unread.why}"
            yield Advice(line=unread.line, what=what, instead="write it by hand")
    for line in script.faults:
        yield Advice(
            line=line, what="this line is no shell that could be read", instead="look at it yourself"
        )


def _fate(one: Variable) -> tuple[str, str]:
    """Return what is said of a variable that went nowhere."""
    if one.value and is_secret(one.name, one.value):
        instead = "keep it in the CI's secrets; if a value of it was ever committed, rotate it"
        return f"{one.name} looks like a secret and was not taken over", instead
    if one.name in NO_PLACE:
        return one.name, NO_PLACE[one.name]
    if one.value is None:
        return f"{one.name} could not be read: {one.why}", "nothing was taken from it"
    setting = "a setting of the service goes to `env` in apps/<app>/values.yaml"
    return f"{one.name} has no place in slipway.yaml", setting
