"""What two images of one commit differ in."""

from slipway_host.recipe import Recipe


def inputs(*platforms: str) -> str:
    return Recipe(context=".", dockerfile="Dockerfile", arguments={}, platforms=platforms).inputs


def test_other_platforms_are_another_image() -> None:
    assert len({inputs(), inputs("linux/amd64"), inputs("linux/amd64", "linux/arm64")}) == 3


def test_order_of_platforms_does_not_count() -> None:
    assert inputs("linux/amd64", "linux/arm64") == inputs("linux/arm64", "linux/amd64")
