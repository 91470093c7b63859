"""A plan of a first deploy, in which every part has something to do."""

from slipway_host.loader import load_config
from slipway_host.plan import (
    VERSION,
    CommitPlan,
    DatabasePlan,
    FilePlan,
    ImagePlan,
    MigrationPlan,
    Plan,
    SecretsPlan,
    ServicePlan,
    SyncPlan,
    config_digest,
)
from slipway_host.plan_text import sentence

COMMIT = "0e123456" + "0" * 32
CONFIG = """\
registry: registry.test:5000/acme
gitops:
  repository: https://git.test/acme/gitops.git
services:
  api:
    health:
      port: 4000
"""
DIFF = """\
--- a/apps/api/values.yaml
+++ b/apps/api/values.yaml
@@ -1,2 +1,2 @@
 image:
-  tag: ""
+  tag: "0e123456"
"""


def service() -> ServicePlan:
    """Return the plan's one service."""
    return ServicePlan(
        service="api",
        app="api",
        namespace="api",
        values="apps/api/values.yaml",
        values_before="sha256:1",
        gates=("scan: findings are reported, and stop nothing",),
        image=ImagePlan(reference="registry.test:5000/acme/api:0e123456", digest="", push=True, latest=True),
        secrets=SecretsPlan(
            namespace=True,
            secret="api-secrets",
            create=True,
            add=("DATABASE_URL", "JWT_SECRET"),
            differs=(),
            password="new",
            pull_secret="registry-credentials",
            pull_action="create",
        ),
        database=DatabasePlan(
            name="api",
            statements={"postgres": ("CREATE ROLE api LOGIN PASSWORD '<SCRAM-SHA-256 verifier>'",)},
        ),
        migration=MigrationPlan(job="", runs=True, state="absent", command=("./migrate", "up")),
        sync=SyncPlan(
            application="api",
            policy="automated sync, prune, self-heal",
            commit=True,
            line="Synced at 12345678, Healthy",
            windows=("deny 0 22 * * * for 8h",),
            drift=(),
            pruned=("Service/old",),
            prune=True,
            workload="Deployment/api",
            image="",
            pods=0,
            strategy="",
        ),
        refused=(),
        facts={"image": "absent", "file apps/api/values.yaml": "tag none, sha256:1"},
    )


def planned() -> Plan:
    """Return the whole plan."""
    commit = CommitPlan(
        apps=("api",),
        message="chore(api): update image tag to 0e123456\n\nSlipway-Run: <run>\n",
        files=(
            FilePlan(
                path="apps/api/values.yaml",
                before="sha256:1",
                diff=DIFF,
            ),
        ),
        proposal="",
        proposed=False,
    )
    config = load_config(CONFIG, path="slipway.yaml")
    return Plan(
        plan_version=VERSION,
        run="20261126T110000-1f3a",
        planned_at="2026-11-26T11:00:00.000Z",
        environment="dev",
        commit=COMMIT,
        repository="https://git.test/acme/gitops.git",
        branch="main",
        head="1" * 40,
        config=config_digest(config, "dev", ["api"]),
        services=(service(),),
        commits=(commit,),
        receipts="slipway-receipts",
        summary=sentence((service(),), (commit,)),
    )
