"""Values files as teams write them, at random: comments, quotes, indents, line ends, anchors, long lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

_OLD = ("latest", "v1.2.3", "'1.0'", '"1.0"', "33356460", "434e6794", "1.10", "~", '""', "'it''s'", "a b")
_COMMENTS = (
    "",
    "",
    "  # set by the pipeline",
    " # was: tag: 1234",
    "   # {{ no }} ümläut 😀",
)
_LONG = "x" * 90 + " " + "y" * 90
_BLOCKS = (
    "replicas: 2   \n",
    "# a comment: with a colon\n",
    "\n\n",
    f"long: {_LONG}\n",
    f'quoted: "{_LONG} \\u00e9"\n',
    "list:\n- a\n-   b\n- {c: 1,  d: [1,  2]}\n",
    "block: |\n  image:\n    tag: not this one\n\n  end\n",
    "folded: >-\n  tag: nor\n  this\n",
    "base: &base {cpu: 1,  memory: 2Gi}\nlimits:\n  <<: *base\n  cpu: 2\n",
    "env:\n  - name: TAG\n    value: 'image: {tag: x}'\n",
    "sidecar:\n    image:\n        repository: y\n        tag: keep\n",
    "dup: 1\ndup: 2\n",
    "odd:   [ 1,2 , 3 ]\n? complex\n: value\n",
    "on: yes\nversion: 1.10\ndate: 2026-08-01\noctal: 0755\n",
)


def generate(rng: random.Random) -> bytes:
    """Return one file with `image.tag` somewhere; unlike in all but that it is valid."""
    indent = " " * rng.choice((1, 2, 2, 4, 7))
    old, comment = rng.choice(_OLD), rng.choice(_COMMENTS)
    other = [
        f"{indent}repository: ghcr.io/acme/api\n",
        f"{indent}pullPolicy: Always   \n",
        f"{indent}# tag: old\n",
    ]
    entries = [*rng.sample(other, rng.randrange(4))]
    key = rng.choice(("tag", "tag", '"tag"', "'tag'"))
    entries.insert(
        rng.randrange(len(entries) + 1), f"{indent}{key}:{' ' * rng.randrange(1, 4)}{old}{comment}\n"
    )
    if rng.random() < 0.15:
        image = f"image: {{repository: x,  tag: {old} , pullPolicy: Always}}{comment}\n"
    else:
        name = rng.choice(("image:", "image:", '"image":', "image: &image"))
        image = f"{name}{rng.choice(_COMMENTS)}\n{''.join(entries)}"
    blocks = rng.sample(_BLOCKS, rng.randrange(len(_BLOCKS)))
    blocks.insert(rng.randrange(len(blocks) + 1), image)
    text = rng.choice(("", "", "---\n", "# head\n---\n")) + "".join(blocks)
    if rng.random() < 0.2:
        text = text.rstrip("\n")
    if rng.random() < 0.3:
        text = text.replace("\n", "\r\n")
    return (b"\xef\xbb\xbf" if rng.random() < 0.2 else b"") + text.encode()
