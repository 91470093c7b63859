"""GitHub's deployments API as its documentation has it, and as strict: no GitHub can be asked from here.

https://docs.github.com/en/rest/deployments/deployments and …/statuses. What the documentation does not
name is refused, as GitHub itself would ignore it: a misspelt key is a test that fails.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema

from support.https import Answer, Request

TOKEN = "canary-token-4711"
STATES = ("error", "failure", "inactive", "in_progress", "queued", "pending", "success")
_TEXT = {"type": "string"}
_ADDRESS = {"type": "string", "pattern": "^https?://"}
DEPLOYMENT = {
    "type": "object",
    "required": ["ref"],
    "additionalProperties": False,
    "properties": {
        "ref": _TEXT,
        "task": _TEXT,
        "auto_merge": {"type": "boolean"},
        "required_contexts": {"type": "array", "items": _TEXT},
        "payload": {"type": ["object", "string"]},
        "environment": _TEXT,
        "description": {"type": ["string", "null"]},
        "transient_environment": {"type": "boolean"},
        "production_environment": {"type": "boolean"},
    },
}
STATUS = {
    "type": "object",
    "required": ["state"],
    "additionalProperties": False,
    "properties": {
        "state": {"enum": list(STATES)},
        "target_url": _ADDRESS,
        "log_url": _ADDRESS,
        "description": {"type": "string", "maxLength": 140},
        "environment": _TEXT,
        "environment_url": _ADDRESS,
        "auto_inactive": {"type": "boolean"},
    },
}


@dataclass
class Deployments:
    """One repository, `acme/api`, whose branches move on and whose checks have not passed.

    Args:
        root: path of the API, "" as at api.github.com.
        commits: what the repository has.
        may: what the token may: `read`, or `write`.
        script: answers to give instead, first one first.
    """

    root: str = ""
    commits: set[str] = field(default_factory=set)
    may: str = "write"
    script: list[Answer] = field(default_factory=list)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    statuses: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    lost: int = 0
    """So many deployments are made whose answer never arrives."""

    def __call__(self, request: Request) -> Answer:  # noqa: PLR0911 - one answer for each refusal
        """Answer one request."""
        if self.script:
            return self.script.pop(0)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _answer(401, {"message": "Bad credentials"})
        if "application/vnd.github+json" not in request.headers.get("accept", ""):
            return _answer(415, {"message": "Must accept 'application/json'"})
        if not request.headers.get("user-agent"):
            return _answer(403, {"message": "Request forbidden by administrative rules"})
        parts = urlsplit(request.path)
        path = re.fullmatch(
            rf"{self.root}/repos/acme/api/deployments(?:/(\d+)/statuses)?", parts.path, re.ASCII
        )
        if not path:
            return _answer(404, {"message": "Not Found"})
        if request.method == "GET":
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            page = int(query.pop("page", 1)), int(query.pop("per_page", 30))
            assert query.keys() <= {"sha", "ref", "task", "environment"}
            found = [one for one in self.deployments if query.items() <= one.items()]
            return _answer(200, found[::-1][(page[0] - 1) * page[1] :][: page[1]])
        if self.may != "write":
            return _answer(403, {"message": "Resource not accessible by integration"})
        document = json.loads(request.body)
        if path[1]:
            return self._status(int(path[1]), document)
        return self._make(document)

    def _make(self, document: dict[str, Any]) -> Answer:
        if said := _faults(document, DEPLOYMENT):
            return _answer(422, {"message": "Validation Failed", "errors": said})
        if document["ref"] not in self.commits:
            return _answer(422, {"message": f"No ref found for: {document['ref']}"})
        # Both of these defaults get in the way of whoever deploys a commit that is not the newest.
        if document.get("auto_merge", True):
            return _answer(202, {"message": "Auto-merged main into topic-branch on deployment."})
        if document.get("required_contexts") != []:
            return _answer(409, {"message": "Conflict: Commit status checks failed for topic-branch."})
        made = {
            "id": 1000 + len(self.deployments),
            "sha": document["ref"],
            "ref": document["ref"],
            "task": document.get("task", "deploy"),
            "environment": document.get("environment", "production"),
            "payload": document.get("payload", {}),
            "production_environment": document.get("production_environment", False),
        }
        self.deployments.append(made)
        self.statuses[made["id"]] = []
        if self.lost:
            self.lost -= 1
            return _answer(502, {"message": "Server Error"})
        return _answer(201, made)

    def _status(self, number: int, document: dict[str, Any]) -> Answer:
        if number not in self.statuses:
            return _answer(404, {"message": "Not Found"})
        if said := _faults(document, STATUS):
            return _answer(422, {"message": "Validation Failed", "errors": said})
        self.statuses[number].append(document)
        return _answer(201, {"id": len(self.statuses[number]), **document})


def _faults(document: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]


def _answer(status: int, document: Any) -> Answer:
    return Answer(status, json.dumps(document), {"Content-Type": "application/json"})
