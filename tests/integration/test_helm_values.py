"""R11, faults 65 to 71: what we write, read by Helm itself, by ruamel.yaml and by PyYAML."""

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from slipway_host.errors import SettingsError
from slipway_host.values import is_plain_string, quoted, set_image
from slipway_lab.layout import Layout
from support.values_files import generate

# Untyped; it comes with the Kubernetes client.
yaml = pytest.importorskip("yaml")

HASHES = 100_000
PLAIN_SHARE = 10
"""ruamel is a hundred times slower than the others: of what stays unquoted, it reads one in ten."""
CHART = "apiVersion: v2\nname: values\nversion: 0.0.1\n"
# `fromYaml` is the parser that reads values files, too.
FILES = """\
{{ $found := dict }}
{{ range $path, $_ := .Files.Glob "files/*" }}
{{ $_ := set $found $path ($.Files.Get $path | fromYaml) }}
{{ end }}
{{ $found | toJson }}"""


def hashes() -> list[str]:
    """Tags as R6 makes them, every tenth one of a kind that some parser takes for a number."""
    rng = random.Random(11)  # noqa: S311 - the same hashes in each run
    kinds = (
        lambda: f"{rng.randrange(10**8):08d}",
        lambda: f"{rng.randrange(10**4):04d}e{rng.randrange(10**3):03d}",
        lambda: f"{rng.randrange(10**6):06d}e{rng.randrange(10)}",
        lambda: f"0b{rng.getrandbits(6):06b}",
        lambda: f"0e{rng.randrange(10**6):06d}",
        lambda: f"{rng.randrange(8**7):08o}",
    )
    found = {f"{rng.getrandbits(32):08x}" for _ in range(HASHES)}
    while len(found) < HASHES * 11 // 10:
        found.add(rng.choice(kinds)())
    return sorted(found)


def helm(layout: Layout, folder: Path, template: str, *more: str) -> str:
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(CHART)
    (folder / "templates/out.txt").write_text(template)
    command = [str(layout.bin / "helm"), "template", str(folder), *more]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.partition("# Source: values/templates/out.txt\n")[2]


def through_helm(layout: Layout, folder: Path, files: dict[str, bytes]) -> dict[str, Any]:
    """Return what Helm reads from each file."""
    (folder / "files").mkdir(parents=True)
    for name, data in files.items():
        (folder / "files" / name).write_bytes(data)
    found = json.loads(helm(layout, folder, FILES))
    return {name.removeprefix("files/"): value for name, value in found.items()}


def test_every_hash_is_the_same_string_to_three_parsers(layout: Layout, tmp_path: Path) -> None:
    # Fault 65. `plain` is what the editor leaves unquoted where a file names the tag already.
    tags = hashes()
    plain = [tag for tag in tags if is_plain_string(tag)]
    text = "".join(
        f"{key}:\n{''.join(f'- {value}{chr(10)}' for value in values)}"
        for key, values in (("quoted", map(quoted, tags)), ("plain", plain))
    )
    expected = {"quoted": tags, "plain": plain}
    (tmp_path / "values.yaml").write_text(text)
    said = helm(layout, tmp_path / "chart", "{{ .Values | toJson }}", "-f", str(tmp_path / "values.yaml"))
    assert len(tags) > HASHES
    assert len(plain) > HASHES * 9 // 10
    assert json.loads(said) == expected
    assert yaml.load(text, Loader=yaml.CSafeLoader) == expected
    some = "".join(f"- {tag}\n" for tag in (*map(quoted, tags), *plain[::PLAIN_SHARE]))
    assert YAML(typ="safe").load(some) == [*tags, *plain[::PLAIN_SHARE]]


def test_unquoted_numbers_would_not_survive_helm(layout: Layout, tmp_path: Path) -> None:
    # The other half of the claim above: it fails where the quotes are missing.
    found = through_helm(layout, tmp_path / "chart", {"x": b"a: 0e123456\nb: 33356460\nc: 9999e001\n"})
    assert found["x"] == {"a": 0, "b": 33356460, "c": 99990}


def test_200_files_change_in_one_line_and_helm_reads_the_new_tag(layout: Layout, tmp_path: Path) -> None:
    # Faults 66 and 70, R34.
    rng = random.Random(200)  # noqa: S311 - the same files in each run
    tags = rng.sample(hashes(), 200)
    before = {f"{number:03d}": generate(rng) for number in range(200)}
    after = {
        name: set_image(data, tag=tag, digest=None, path=name)
        for (name, data), tag in zip(before.items(), tags, strict=True)
    }
    old, new = (through_helm(layout, tmp_path / name, files) for name, files in (("o", before), ("n", after)))
    for (name, data), tag in zip(after.items(), tags, strict=True):
        lines = list(zip(before[name].split(b"\n"), data.split(b"\n"), strict=True))
        assert sum(one != other for one, other in lines) == 1, name
        old[name]["image"]["tag"] = tag
        assert new[name] == old[name]
        # A second edit finds nothing to do.
        assert set_image(data, tag=tag, digest=None, path=name) == data


@pytest.mark.parametrize(
    "text",
    [
        "image:\n  tag: x\n  tag: y\n",
        "image:\n  tag: x\n  'tag': y\n",
        "image: {tag: x, repository: a}\nb: 1\nimage: {tag: y}\n",
        "b: &b {tag: x}\nimage:\n  <<: *b\n  tag: y\n",
        "b: &b {other: x}\nimage:\n  tag: y\n  <<: *b\n",
        "b: &b {tag: x}\nimage:\n  tag: y\n  <<: *b\n",
        "b: &b {tag: x}\nimage:\n  tag: y\n  <<: [*b]\n",
        "a: &a {image: {tag: x}}\nimage: {tag: y}\n<<: *a\n",
        "a: &a {x: 1}\na: &a {tag: x}\nimage:\n  tag: y\n  <<: *a\n",
        "b: &b {digest: x}\nimage:\n  <<: *b\n  tag: y\n",
        "image:\n  ? tag\n  : y\n",
    ],
)
def test_duplicates_and_merges_are_written_where_helm_reads_or_not_at_all(
    layout: Layout, tmp_path: Path, text: str
) -> None:
    # Faults 67 and 69. Helm takes the last of two keys, and a merge over what stands above it.
    try:
        after = set_image(text.encode(), tag="1234abcd", digest=None, path="x")
    except SettingsError:
        # Refused: an edit of the tag that a reader sees would leave Helm with the old one, or a digest.
        edited = text.replace("tag: y", 'tag: "1234abcd"').encode()
        image = through_helm(layout, tmp_path / "chart", {"x": edited})["x"]["image"]
        assert image["tag"] != "1234abcd" or "digest" in image
    else:
        found = through_helm(layout, tmp_path / "chart", {"x": after})
        assert found["x"]["image"]["tag"] == "1234abcd"
        assert "digest" not in found["x"]["image"]
