"""One SBOM for all platforms of an image."""

from slipway.sbom import joined

AMD64 = {"ArtifactName": "a.tar", "Results": [{"Target": "usr/bin/api", "Packages": [{"Name": "x"}]}]}
ARM64 = {"ArtifactName": "b.tar", "Results": [{"Target": "usr/bin/api", "Packages": [{"Name": "y"}]}]}


def test_each_place_is_named_with_its_platform() -> None:
    report = joined({"linux/amd64": AMD64, "linux/arm64": ARM64})
    assert [(result["Target"], result["Packages"][0]["Name"]) for result in report["Results"]] == [
        ("usr/bin/api (linux/amd64)", "x"),
        ("usr/bin/api (linux/arm64)", "y"),
    ]


def test_report_of_one_platform_is_left_alone() -> None:
    assert joined({"": AMD64}) == AMD64
