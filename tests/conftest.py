"""Markers follow folders, so that no test can be in the wrong set by mistake."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(ROOT).parts[0]
        if folder in {"integration", "e2e"}:
            item.add_marker(getattr(pytest.mark, folder))
