"""What the services of one call share."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import anyio.lowlevel
import trustme
from pydantic import SecretStr

from slipway_host.call import Call
from slipway_host.loader import load_config
from slipway_host.progress import silent
from slipway_host.record import Log
from support.argocd_double import application
from support.https import Answer, serving
from support.target import api_target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from slipway_host.kube import KubeClient


async def nobody() -> Any:
    raise AssertionError("no such account is needed")


async def token() -> SecretStr:
    await anyio.lowlevel.checkpoint()
    return SecretStr("canary-token")


@asynccontextmanager
async def connect() -> AsyncIterator[KubeClient]:
    yield cast("KubeClient", None)


def call_at(server: str, ca: str) -> Call:
    document = {
        "registry": "r.invalid/acme",
        "gitops": {"repository": "https://h.invalid/x.git"},
        "argocd": {"server": server, "ca": ca},
        "services": {"api": {}, "ui": {}},
    }
    return Call(
        config=load_config(json.dumps(document), path="slipway.yaml"),
        environment="dev",
        targets=(),
        registry=nobody,
        git=nobody,
        postgres=nobody,
        argocd_token=token,
        recipients=nobody,
        connect=connect,
        report=Log(silent),
        by="ann",
    )


async def test_all_services_ask_argo_cds_own_api_over_one_connection_that_ends_with_the_cluster(
    handshakes: Callable[[], int],
) -> None:
    authority = trustme.CA()
    found = Answer(200, json.dumps(application()))
    with serving(lambda _: found, authority.issue_cert("127.0.0.1")) as url:
        call = call_at(url, authority.cert_pem.bytes().decode())
        for run in (1, 2):
            async with call.cluster() as kube:
                for name in ("api", "ui"):
                    target = api_target(service=name)
                    await call.delivery(target, kube).applications.read(target)
            assert handshakes() == run
