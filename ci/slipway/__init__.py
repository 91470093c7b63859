"""From a commit to proven-healthy pods, by one command that is the same on a laptop and in CI.

`dagger call deploy` runs the whole chain: test, scan, build, scan the image, push, secrets, database, GitOps
commit, sync by Argo CD, rollout, health and proof. Each stage is a function of its own, too. What to build
and where it goes stands in the repository's `slipway.yaml`; where the credentials are, in `.env` beside
`dagger.json` (`kubeConfig=file://…`, `ghPat=env://GH_PAT`), or in flags before the function's name.
"""

from slipway.main import Slipway

__all__ = ["Slipway"]
