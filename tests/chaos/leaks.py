"""A secret in all its forms, and the places where it could turn up while a program runs."""

import gzip
import json
import os
import threading
import time
import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

SHORTEST_HALF = 12
"""Characters of a half that is looked for by itself: fewer would be found by chance."""


def forms(secret: str) -> set[bytes]:
    """Return how a secret may be written: plain, base64 at any offset, URL, JSON, and in two halves."""
    plain = secret.encode()
    found = {plain, quote(secret, safe="").encode(), quote_plus(secret).encode()}
    found.add(json.dumps(secret)[1:-1].encode())
    found |= _encoded(plain)
    half = len(secret) // 2
    if half >= SHORTEST_HALF:
        found |= {plain[:half], plain[half:]}
    return found


def _encoded(plain: bytes) -> set[bytes]:
    # In the middle of a longer text, only the characters that the neighbours do not reach are known.
    found = {b64encode(plain).rstrip(b"=")}
    for before in (1, 2):
        padded = b64encode(b"\0" * before + plain)
        found.add(padded[4 : len(padded) // 4 * 4 - 4])
    return found | {text.translate(bytes.maketrans(b"+/", b"-_")) for text in found}


def leaked(secrets: dict[str, str], data: bytes) -> set[str]:
    """Return the names of the secrets that are somewhere in some bytes."""
    return {name for name, secret in secrets.items() if any(form in data for form in forms(secret))}


def in_files(secrets: dict[str, str], files: Iterable[Path]) -> list[str]:
    """Return `file: name` for each secret in a file; compressed ones are looked into."""
    wanted = {name: forms(secret) for name, secret in secrets.items()}
    found = []
    for file in files:
        try:
            data = file.read_bytes()
        except OSError:
            # Gone since it was listed.
            continue
        if data[:2] == b"\x1f\x8b":
            with suppress(OSError, EOFError, zlib.error):
                data += gzip.decompress(data)
        found += [f"{file}: {name}" for name, some in wanted.items() if any(form in data for form in some)]
    return found


@dataclass
class Sampled:
    """What a sampler has seen: places where a secret was, and how often it looked."""

    found: set[str] = field(default_factory=set)
    looks: int = 0


@contextmanager
def sampling(secrets: dict[str, str], folder: Path, allowed: dict[str, set[str]]) -> Iterator[Sampled]:
    """Look at every process's arguments and environment, and at a folder, while the block runs.

    Args:
        secrets: name → text.
        folder: for temporary files.
        allowed: name → program names in whose environment the secret may be.
    """
    seen, stop = Sampled(), threading.Event()

    def look() -> None:
        mine = {str(os.getpid()), str(os.getppid())}
        while not stop.is_set():
            seen.looks += 1
            for process in Path("/proc").iterdir():
                if process.name.isdecimal() and process.name not in mine:
                    _process(process, secrets, allowed, seen)
            for file in _files(folder):
                try:
                    data = file.read_bytes() if file.is_file() else b""
                except OSError:
                    continue
                seen.found |= {f"{file}: {name}" for name in leaked(secrets, data)}
            time.sleep(0.005)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder; os.walk, unlike rglob, bears what vanishes meanwhile."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def _process(process: Path, secrets: dict[str, str], allowed: dict[str, set[str]], seen: Sampled) -> None:
    try:
        arguments = (process / "cmdline").read_bytes()
        environment = (process / "environ").read_bytes()
        parent = _parent(process)
        # The lab's own processes are other machines: a pod has its secrets in its environment.
        here = (process / "ns/pid").readlink() == Path("/proc/self/ns/pid").readlink()
    except OSError:
        return
    program = Path(arguments.partition(b"\0")[0].decode(errors="replace")).name
    told = {f"arguments of {program}: {name}" for name in leaked(secrets, arguments)}
    if here:
        names = (name for name in leaked(secrets, environment) if program not in allowed.get(name, set()))
        told |= {f"environment of {program}: {name}" for name in names}
    if told and not _tested_by_others(parent):
        seen.found |= told


def _parent(process: Path) -> str:
    # After the name, which stands in brackets and may have some of its own.
    return (process / "stat").read_text().rpartition(")")[2].split()[1]


def _tested_by_others(process: str) -> bool:
    """Say whether a process belongs to another run of tests, whose programs are given the same accounts."""
    while process not in {"0", "1", str(os.getpid())}:
        folder = Path("/proc", process)
        try:
            # By the program alone: our own are told paths of folders that pytest has named.
            words = (folder / "cmdline").read_text(errors="replace").split("\0")[:3]
            if "pytest" in {Path(word).name for word in words}:
                return True
            process = _parent(folder)
        except OSError:
            return False
    return False
