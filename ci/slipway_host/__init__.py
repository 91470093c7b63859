"""The host-side step: database, secrets, GitOps commit, sync, rollout, health and proof.

It never imports Dagger: the same code runs inside `dagger call deploy` and on a machine of its own.
"""
