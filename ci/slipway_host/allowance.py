"""What a saved plan lets a deploy do: no more than is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host.errors import MovedError
from slipway_host.pull_secret import CHANGE, CREATE

if TYPE_CHECKING:
    from slipway_host.plan import ServicePlan


class Allowed:
    """What a saved plan lets a deploy do to one service; without a plan, whatever is lacking.

    Args:
        plan: the saved plan's part.
    """

    def __init__(self, plan: ServicePlan | None = None) -> None:
        self._plan = plan

    def check_image(self, reference: str, digest: str) -> None:
        """Refuse another image in the registry than the plan saw there; "" is none.

        Raises:
            MovedError: it is another.
        """
        planned = self._plan.image.digest if self._plan and self._plan.image else digest
        if planned != digest:
            now, then = digest or "absent", planned or "absent"
            raise MovedError(f"{reference} is {now}, and was {then} in the plan", stage="build")

    @property
    def namespace(self) -> bool:
        """Whether the namespace may be created."""
        return self._plan is None or bool(self._plan.secrets and self._plan.secrets.namespace)

    @property
    def pull_secret(self) -> frozenset[str]:
        """What may be done to the pull secret."""
        if self._plan is None:
            return frozenset({CREATE, CHANGE})
        return frozenset({self._plan.secrets.pull_action} if self._plan.secrets else ())

    @property
    def secret_keys(self) -> tuple[str, ...] | None:
        """The keys that may be added to the Secret, None for all."""
        if self._plan is None:
            return None
        return self._plan.secrets.add if self._plan.secrets else ()

    @property
    def statements(self) -> tuple[str, ...] | None:
        """The SQL that may run, None for all."""
        if self._plan is None:
            return None
        found = self._plan.database.statements.values() if self._plan.database else ()
        return tuple(one for statements in found for one in statements)

    @property
    def migration(self) -> bool:
        """Whether the migration may run."""
        return self._plan is None or bool(self._plan.migration and self._plan.migration.runs)

    @property
    def values(self) -> str | None:
        """Digest that the values file has to have before it is changed, None for any."""
        return self._plan.values_before if self._plan else None
