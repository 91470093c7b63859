"""The kinds of names and addresses in `slipway.yaml`.

Every one that later becomes a path, a Kubernetes name, an argument of a program or an SQL identifier is
checked here, before any I/O.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from slipway_host import commit_message

# RFC 1123 label, as Kubernetes wants it for namespaces, Services and most names (63 characters at most).
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
# https://github.com/distribution/reference: domain[:port] and lower-case path components.
IMAGE_PREFIX = re.compile(
    r"[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
)
IMAGE_REFERENCE = re.compile(
    IMAGE_PREFIX.pattern + r"(:[A-Za-z0-9_][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?", re.ASCII
)
# What PostgreSQL takes unquoted, in lower case: quoting is the second wall, not the first.
SQL_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
# One more character than a name: uuid-ossp.
SQL_EXTENSION = re.compile(r"[a-z][a-z0-9_-]{0,62}")
SQL_USER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
SECRET_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
RELATIVE_PATH = re.compile(r"(?!-)(?!.*(?:^|/)\.\.(?:/|$))[A-Za-z0-9._@{}][A-Za-z0-9._@{}/+-]*")
ABSOLUTE_PATH = re.compile(r"(?!.*/\.\.(?:/|$))/[!-~]{0,1023}")
BRANCH = re.compile(r"(?!.*(\.\.|//|@\{|\.lock$))[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
# Neither `http` nor `file` nor `ext::`, and no credentials in an address over https (fault 74).
GIT_ADDRESS = re.compile(r"(https://[^\s@]+|ssh://[^\s]+|git@[^\s:]+:[^\s]+)")
# Neither credentials nor a query: it stands in configuration, errors and certificates. http is for servers
# inside a cluster.
SERVER_ADDRESS = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")
# A URI, or a mail address.
IDENTITY = re.compile(r"[A-Za-z0-9][!-~]{2,1023}")
HTTPS_ADDRESS = re.compile(r"https://[A-Za-z0-9][A-Za-z0-9.:-]*(/[A-Za-z0-9._/-]*)?")
# What a commit's header can hold: git itself drops < and >, and a line end would start another header.
AUTHOR_NAME = re.compile(r"[^\s<>\x00-\x1f\x7f]([^<>\x00-\x1f\x7f]{0,98}[^\s<>\x00-\x1f\x7f])?")
EMAIL_ADDRESS = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._%+\[\]-]{0,99}@[A-Za-z0-9]([A-Za-z0-9.-]{0,199}[A-Za-z0-9])?"
)
KNOWN_HOST = re.compile(
    r"(@cert-authority )?[^\s#@][^\s]* (ssh|ecdsa|sk)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/]+=*( [ -~]*)?"
)
# A DNS label of which {app} and {environment} are parts.
APP_PATTERN = re.compile(r"(?=[a-z0-9{])(?:[-a-z0-9]|\{app\}|\{environment\}){1,63}(?<!-)")
# One environment, or as many as there are names for the *.
ENVIRONMENT = re.compile(DNS_LABEL.pattern + r"(-\*)?")
URL_PATH = re.compile(r"/[!-~]{0,255}")
MEMORY = re.compile(r"[1-9][0-9]{0,5}[MG]i")
CPU = re.compile(r"[1-9][0-9]{0,5}m")
PLATFORM = re.compile(r"[a-z0-9]{1,20}/[a-z0-9_]{1,20}(/v[0-9]{1,2})?")

RESERVED_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease", "default"})
RESERVED_ROLES = frozenset({"postgres", "public", "none", "current_user", "session_user", "user"})
SHOWN = 80
"""Characters of a wrong value that an error repeats."""


class Model(BaseModel):
    """Strict, frozen, camelCase; unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_default=True,
        field_title_generator=lambda name, _: name.replace("_", " "),
    )


def problem(sentence: str, *at: str | int) -> PydanticCustomError:
    """Return an error for a validator to raise, about what lies at `at` below the validated value."""
    return PydanticCustomError("problem", "{sentence}", {"sentence": sentence, "at": at})


def described(example: object) -> str:
    """Return a wrong value as an error repeats it: on one line, in short, without credentials."""
    text = example if isinstance(example, str) else str(example)
    return repr(re.sub(r"(?<=://)[^/@\s]*@", "***@", text)[:SHOWN])


def _check(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        # fullmatch: `$` would let a trailing newline through (fault 2).
        if not pattern.fullmatch(value):
            raise problem(f"{described(value)} is not {what}")
        return value

    return AfterValidator(check)


def _subject(value: str) -> str:
    if fault := commit_message.fault(value):
        raise problem(f"{described(value)} is no subject of a commit: {fault}")
    return value


def _not_in(reserved: frozenset[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if value in reserved or value.startswith("pg_"):
            raise problem(f"{value!r} is reserved: choose another {what}")
        return value

    return AfterValidator(check)


def _schema(pattern: re.Pattern[str], what: str) -> WithJsonSchema:
    """For editors: `$` of JSON Schema is the very end of the text, unlike Python's."""
    text: dict[str, Any] = {"type": "string", "pattern": f"^(?:{pattern.pattern})$"}
    return WithJsonSchema({**text, "description": what})


_LABEL = "a DNS label (a-z, 0-9 and -, at most 63 characters, no - at the ends)"
_PREFIX = "a registry with a namespace, like ghcr.io/acme"
_SQL = "a PostgreSQL name (a-z, 0-9 and _, at most 63 characters, a letter first)"
_EXTENSION = "a PostgreSQL extension's name (a-z, 0-9, _ and -, a letter first)"
_ENV = "an environment variable's name"
_PATH = "a path inside the repository"
_GIT = "an https or ssh address without credentials"
_SERVER = "an http or https address without credentials"
_IDENTITY = "an identity (a URI or a mail address)"
_AUTHOR = "a name without line ends, < and >"
_EMAIL = "an email address"
_HTTPS = "an https address without credentials"
_HOST = "a line of known_hosts, like `git.acme.example ssh-ed25519 AAAA…`"
_MEMORY = "an amount of memory, like 256Mi"
_APP = "a DNS label, of which {app} and {environment} may be parts, like {app}-{environment}"
_ENVIRONMENT = "an environment's name (a DNS label), or a pattern of names like pr-*"
_CPU = "processor time in thousandths of a core, like 500m"
_PLATFORM = "a platform, like linux/arm64"

DnsLabel = Annotated[str, _check(DNS_LABEL, _LABEL), _schema(DNS_LABEL, _LABEL)]
EnvironmentKey = Annotated[str, _check(ENVIRONMENT, _ENVIRONMENT), _schema(ENVIRONMENT, _ENVIRONMENT)]
AppPattern = Annotated[str, _check(APP_PATTERN, _APP), _schema(APP_PATTERN, _APP)]
Namespace = Annotated[DnsLabel, _not_in(RESERVED_NAMESPACES, "namespace")]
NamespacePattern = Annotated[AppPattern, _not_in(RESERVED_NAMESPACES, "namespace")]
ImagePrefix = Annotated[str, _check(IMAGE_PREFIX, _PREFIX), _schema(IMAGE_PREFIX, _PREFIX)]
ImageReference = Annotated[
    str, _check(IMAGE_REFERENCE, "an image reference"), _schema(IMAGE_REFERENCE, "an image reference")
]
SqlName = Annotated[str, _check(SQL_NAME, _SQL), _not_in(RESERVED_ROLES, "name"), _schema(SQL_NAME, _SQL)]
SqlExtension = Annotated[str, _check(SQL_EXTENSION, _EXTENSION), _schema(SQL_EXTENSION, _EXTENSION)]
SqlUser = Annotated[str, _check(SQL_USER, "a PostgreSQL role"), _schema(SQL_USER, "a PostgreSQL role")]
EnvName = Annotated[str, _check(ENV_NAME, _ENV), _schema(ENV_NAME, _ENV)]
SecretId = Annotated[
    str, _check(SECRET_ID, "the id of a secret mount"), _schema(SECRET_ID, "the id of a secret mount")
]
RelativePath = Annotated[str, _check(RELATIVE_PATH, _PATH), _schema(RELATIVE_PATH, _PATH)]
AbsolutePath = Annotated[
    str, _check(ABSOLUTE_PATH, "an absolute path"), _schema(ABSOLUTE_PATH, "an absolute path")
]
Branch = Annotated[str, _check(BRANCH, "a branch name"), _schema(BRANCH, "a branch name")]
GitAddress = Annotated[str, _check(GIT_ADDRESS, _GIT), _schema(GIT_ADDRESS, _GIT)]
ServerAddress = Annotated[str, _check(SERVER_ADDRESS, _SERVER), _schema(SERVER_ADDRESS, _SERVER)]
Identity = Annotated[str, _check(IDENTITY, _IDENTITY), _schema(IDENTITY, _IDENTITY)]
AuthorName = Annotated[str, _check(AUTHOR_NAME, _AUTHOR), _schema(AUTHOR_NAME, _AUTHOR)]
EmailAddress = Annotated[str, _check(EMAIL_ADDRESS, _EMAIL), _schema(EMAIL_ADDRESS, _EMAIL)]
HttpsAddress = Annotated[str, _check(HTTPS_ADDRESS, _HTTPS), _schema(HTTPS_ADDRESS, _HTTPS)]
KnownHost = Annotated[str, _check(KNOWN_HOST, _HOST), _schema(KNOWN_HOST, _HOST)]
CommitMessage = Annotated[str, AfterValidator(_subject)]
UrlPath = Annotated[
    str, _check(URL_PATH, "a path that starts with /"), _schema(URL_PATH, "a path, like /health")
]
Memory = Annotated[str, _check(MEMORY, _MEMORY), _schema(MEMORY, _MEMORY)]
Cpu = Annotated[str, _check(CPU, _CPU), _schema(CPU, _CPU)]
Platform = Annotated[str, _check(PLATFORM, _PLATFORM), _schema(PLATFORM, _PLATFORM)]
Port = Annotated[int, Field(ge=1, le=65535)]
Severity = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]
