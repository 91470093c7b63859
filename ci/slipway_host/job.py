"""One `slipway-host` command, from its arguments to what it prints."""

from __future__ import annotations

import getpass
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from slipway_host import caller, effective, foresight, kube_files, recording, selection, targets
from slipway_host.accounts import (
    argocd_token,
    git_account,
    later,
    postgres_account,
    recipients_account,
    registry_account,
)
from slipway_host.call import Call
from slipway_host.command import COMMANDS, WITH_IMAGES
from slipway_host.command_options import CONFIG_PATH
from slipway_host.document import parse
from slipway_host.errors import SettingsError
from slipway_host.intake import Intake
from slipway_host.job_delivery import DeliveryJob
from slipway_host.job_functions import FUNCTIONS
from slipway_host.loader import load_config
from slipway_host.record import Log
from slipway_host.scaffold import by_hand

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Sequence

    from slipway_host.call import Record
    from slipway_host.config import Config
    from slipway_host.environ import Environ
    from slipway_host.errors import DeliveryError
    from slipway_host.kube import KubeClient
    from slipway_host.passage import Passage, Way
    from slipway_host.progress import Report
    from slipway_host.recording import Recording
    from slipway_host.settings import Target

RUN_IMAGES = (*WITH_IMAGES, "rollback")


def caller_of(options: argparse.Namespace, environment: str = "") -> caller.Caller:
    """Return who asks: what it names next exists for a `slipway-host` with these options."""
    chosen = (("--config", options.config, CONFIG_PATH), ("--context", getattr(options, "context", ""), ""))
    return caller.Caller(
        environment=environment or options.environment,
        functions=frozenset(COMMANDS),
        flags=tuple(f"{flag}={value}" for flag, value, default in chosen if value != default),
    )


class Job:
    """One command.

    `ways` tell at any time what has landed.

    Args:
        options: of `command.parser()`.
        environ: the accounts.
        report: takes one line for people, live.
    """

    def __init__(self, options: argparse.Namespace, environ: Environ, report: Report) -> None:
        self.ways: list[Way | Record] = []
        self.error: DeliveryError | None = None
        self._options, self._environ, self._report = options, environ, Log(report)
        self._path = Path(options.config)
        self._intake = Intake(self._path, options)

    async def run(self) -> str:
        """Do it, and return what to print.

        `error` is what went wrong after something was done: that is printed as well.

        Raises:
            DeliveryError: it did not work, and there is nothing to print.
        """
        if self._options.command in by_hand.COMMANDS:
            return await by_hand.run(self._options)
        text = await self._intake.config_text()
        config = load_config(text, path=str(self._path))
        names = selection.select(config, self._options.service)
        handover = await self._intake.handover(config)
        environment = self._options.environment or handover.environment or caller.DEFAULT_ENVIRONMENT
        with caller.asking(caller_of(self._options, environment)):
            self._refuse_unverified(config, environment)
            command = self._options.command
            if command == "config":
                document = parse(text, path=str(self._path))
                return effective.lines(effective.effective(document, environment, names))
            if command in WITH_IMAGES:
                commit = await self._intake.commit(text, handover)
            else:
                commit = await self._intake.source.resolve("HEAD")
            saved = None
            if command == "deploy" and self._options.plan:
                asked = self._options.service
                saved = await foresight.saved(self._options.plan, config, environment, commit, names=asked)
                names = list(saved.names)
            call = self._call(config, names, environment, commit, url=await self._intake.source.url())
            if command in FUNCTIONS:
                outcome = await FUNCTIONS[command](call, self._options)
            else:
                job = DeliveryJob(call, self._intake, handover, self._options, plan=saved)
                outcome = await job.run()
        self.error = outcome.error
        return outcome.text

    def _refuse_unverified(self, config: Config, environment: str) -> None:
        """Refuse an environment that requires a signature, where an image would run.

        A receipt that tells of a verified one proves nothing: anybody can write such a file.
        """
        command = self._options.command
        if config.environment(environment).require_signature and command in RUN_IMAGES:
            raise SettingsError(
                f"{environment} requires a verified signature of each image, and nothing here verifies one: "
                f"only `{caller.DAGGER} {command}` has cosign",
                next_command=caller.Caller(environment=environment).command(command),
            )

    def _call(self, config: Config, names: list[str], environment: str, commit: str, *, url: str) -> Call:
        environ = self._environ
        return Call(
            config=config,
            environment=environment,
            targets=self._targets(config, names, environment, commit),
            registry=later(registry_account, environ, config, environment),
            git=later(git_account, environ, config, environment),
            postgres=later(postgres_account, environ, config),
            argocd_token=later(argocd_token, environ),
            recipients=later(recipients_account, environ),
            connect=self._cluster,
            report=self._report,
            by=environ.text("GIT_USERNAME") or _user(),
            commits=self._intake.source,
            source_url=url,
            dsn=environ.secret("POSTGRES_DSN") is not None,
            files=self._write,
            ways=self.ways,
        )

    async def _write(self, kept: Recording, passages: Sequence[Passage]) -> None:
        if self._options.output:
            kept = await recording.illustrated(kept, passages, self._report)
        folder, summary = self._options.output, self._environ.text("GITHUB_STEP_SUMMARY")
        recording.write(kept, folder=folder, step_summary=summary, log=self._report)

    @asynccontextmanager
    async def _cluster(self) -> AsyncIterator[KubeClient]:
        from pydantic import SecretStr

        from slipway_host.kube import KubeClient

        paths = kube_files.paths_of(self._environ.text("KUBECONFIG"))
        document = kube_files.merged(paths, context=self._options.context)
        async with await KubeClient.connect(SecretStr(kube_files.text_of(document))) as kube:
            yield kube

    def _targets(self, config: Config, names: list[str], environment: str, commit: str) -> tuple[Target, ...]:
        jwt = self._environ.secret("JWT_SECRET")
        wanted = {key for name in names for key in config.services[name].secrets.given}
        brought = self._environ.app_secrets(wanted)
        return tuple(
            targets.target_of(
                config, name, environment=environment, commit=commit, jwt_secret=jwt, app_secrets=brought
            )
            for name in names
        )


def _user() -> str:
    """Return who types here, as far as the machine knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "slipway"
