"""Names that somebody could give to something, made of what has broken programs before."""

import random
from collections.abc import Iterator

MARK = "slipwayhostile"
"""In everything that a hostile name tries to make: finding it anywhere is an effect."""
PAYLOADS = (
    # paths
    f"../../{MARK}",
    f"/tmp/{MARK}",  # noqa: S108 - where nobody may write
    f"%2e%2e%2f{MARK}",
    f"..\\..\\{MARK}",
    f"a/../../{MARK}",
    f"~/{MARK}",
    f".git/hooks/{MARK}",
    "a/./b//c",
    # SQL
    f"'; CREATE ROLE {MARK}; --",
    f'"; CREATE ROLE {MARK}; --',
    f"x'); CREATE DATABASE {MARK}; --",
    f"$$; CREATE ROLE {MARK}; $$",
    f"\\'; CREATE ROLE {MARK}; --",
    f"x'\n\\! touch {MARK}\n",
    f"x\n\\copy (select 1) to '{MARK}'",
    f"x' \\gexec\nCREATE ROLE {MARK};",
    # options
    "-rf",
    "--help",
    f"--upload-pack=touch {MARK}",
    f"--output={MARK}",
    f"-oProxyCommand=touch {MARK}",
    # shells
    f"$(touch {MARK})",
    f"`touch {MARK}`",
    f"; touch {MARK};",
    f"| touch {MARK}",
    f"&& touch {MARK}",
    f"x > {MARK}",
    "${IFS}",
    # transports and templates
    f"ext::sh -c touch% {MARK}",
    f"file:///tmp/{MARK}",
    "{{ .Values.secret }}",
    "{app}{tag}{commit}",
    "%s%n%x",
    # terminals and CI logs
    "\x1b]0;title\x07",
    "::set-output name=x::y",
    "##[command]x",
    # look-alikes, sizes and nothing
    "\u0430pi",
    "\uff41pi",
    "ap\u0131",
    "api\u200b",
    "api\u202e",
    "API",
    "",
    " ",
    "\x00",
    "z" * 64,
    "z" * 300,
    "z" * 70_000,
    # reserved
    "postgres",
    "pg_signal_backend",
    "kube-system",
    "default",
    "public",
)
ENDS = ("", "\n", "\r\n", "\t", " ", "\x00", "\u2028", ".", "-", "/", "'", '"', "\\", "#", ": x", "é")


def names(count: int, seed: int) -> Iterator[str]:
    """Yield `count` names: each payload, then payloads with another beginning, middle or end."""
    choose = random.Random(seed)  # noqa: S311 - chosen, so that a failure can be had again
    yield from PAYLOADS[:count]
    for _ in range(count - len(PAYLOADS)):
        first, second = choose.choice(PAYLOADS), choose.choice(PAYLOADS)
        cut = choose.randrange(len(first) + 1)
        name = choose.choice((first, f"api{first}", f"{first}api", first[:cut] + second + first[cut:]))
        yield choose.choice(ENDS) + name + choose.choice(ENDS)
