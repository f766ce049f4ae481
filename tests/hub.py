"""A Hub on loopback: what huggingface_hub's client calls to publish a folder and to download a file, over real HTTP.

As on the real one, a repository changes only by commits, and a commit names large files that must have arrived before.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import yaml  # type: ignore[import-untyped]

USER = "ada"
TOKEN = "hf_onlyForTheseTests"
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
REPOSITORY = r"(?P<kind>models|spaces)/(?P<name>[\w.-]+/[\w.-]+)"


@dataclass
class Repository:
    """asked: what it was created with; commits: the files after each, by path."""

    asked: dict[str, Any]
    commits: list[dict[str, bytes]] = field(default_factory=lambda: [{".gitattributes": b"*.safetensors filter=lfs\n"}])

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[-1]

    def sha(self, index: int = -1) -> str:
        """Of a commit: 40 hexadecimal digits."""
        number = index % len(self.commits)
        return hashlib.sha1(repr((number, sorted(self.commits[number].items()))).encode()).hexdigest()

    def at(self, revision: str) -> dict[str, bytes] | None:
        shas = {self.sha(i): files for i, files in enumerate(self.commits)}
        return self.files if revision == "main" else shas.get(revision)


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass
class Hub:
    url: str
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)  # by kind ("models") and "user/name"
    large: dict[str, bytes] = field(default_factory=dict)  # by SHA-256
    drop: dict[str, int] = field(default_factory=dict)  # "PUT" or "commit": how many of the next to cut off half-way
    requests: list[str] = field(default_factory=list)  # all that came: method and path

    def repository(self, kind: str, name: str) -> Repository:
        if (kind, name) not in self.repositories:
            raise Refused(404, "Repository not found", "RepoNotFound")
        return self.repositories[kind, name]

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        kind, name = f"{body.get('type', 'model')}s", f"{body['organization']}/{body['name']}"
        if body["organization"] != USER:
            raise Refused(403, f'You don\'t have the rights to create a {kind[:-1]} under the namespace "{name}"')
        if (kind, name) in self.repositories:
            raise Refused(409, "You already created this repo")
        self.repositories[kind, name] = Repository(body)
        return {"url": f"{self.url}/{'spaces/' if kind == 'spaces' else ''}{name}"}

    def info(self, kind: str, name: str) -> dict[str, Any]:
        one = self.repository(kind, name)
        return {"id": name, "sha": one.sha(), "private": one.asked.get("visibility") == "private", "siblings": []}

    def runtime(self, name: str, flavor: str | None = None) -> dict[str, Any]:
        """Of a Space, after it has been moved to other hardware, if so asked."""
        asked = self.repository("spaces", name).asked
        asked |= {"hardware": flavor} if flavor else {}
        return {"stage": "RUNNING", "hardware": {"current": None, "requested": asked.get("hardware")}}

    def tree(self, kind: str, name: str) -> list[dict[str, Any]]:
        files = self.repository(kind, name).files
        return [{"type": "file", "path": p, "size": len(c), "oid": blob(c)} for p, c in files.items()]

    def preupload(self, kind: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Binary files go the way of large ones."""
        there, files = self.repository(kind, name).files, []
        for file in body["files"]:
            large = b"\0" in base64.b64decode(file["sample"])
            content = there.get(file["path"])
            digest = (lambda c: hashlib.sha256(c).hexdigest()) if large else blob
            mode = "lfs" if large else "regular"
            oid = None if content is None else digest(content)
            files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return {"files": files}

    def batch(self, body: dict[str, Any]) -> dict[str, Any]:
        return {
            "transfer": "basic",
            "objects": [
                {"oid": o["oid"], "size": o["size"]}
                | ({} if o["oid"] in self.large else {"actions": {"upload": {"href": f"{self.url}/lfs/{o['oid']}"}}})
                for o in body["objects"]
            ],
        }

    def store(self, oid: str, content: bytes) -> dict[str, Any]:
        if hashlib.sha256(content).hexdigest() != oid:
            raise Refused(400, "The content is not what was announced")
        self.large[oid] = content
        return {}

    def commit(self, kind: str, name: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
        repository = self.repository(kind, name)
        files = dict(repository.files)
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.large:
                    raise Refused(400, f"{value['path']} has not been uploaded")
                files[value["path"]] = self.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
            else:
                assert line["key"] == "header"
        repository.commits.append(files)
        return {"commitOid": repository.sha(), "commitUrl": f"{self.url}/{name}/commit/{repository.sha()}"}

    def resolve(self, name: str, revision: str, path: str) -> tuple[bytes, dict[str, str]]:
        repository = self.repository("models", name)
        files = repository.at(revision)
        if files is None:
            raise Refused(404, "Invalid rev id", "RevisionNotFound")
        if path not in files:
            raise Refused(404, "Entry not found", "EntryNotFound")
        sha = repository.sha() if revision == "main" else revision
        return files[path], {"X-Repo-Commit": sha, "ETag": f'"{hashlib.sha256(files[path]).hexdigest()}"'}

    def route(self, method: str, path: str, body: bytes) -> Any:
        """The answer as JSON data, or as content and headers. Raises Refused."""

        def matches(pattern: str) -> re.Match[str] | None:
            return re.fullmatch(pattern, f"{method} {path}")

        if matches("GET /api/whoami-v2"):
            return {"type": "user", "name": USER, "orgs": []}
        if matches("POST /api/repos/create"):
            return self.create(json.loads(body))
        if matches("POST /api/validate-yaml"):
            return validate(json.loads(body))
        if found := matches(f"GET /api/{REPOSITORY}(/revision/main)?"):
            return self.info(**found.groupdict())
        if found := matches("GET /api/spaces/(?P<name>.+)/runtime"):
            return self.runtime(**found.groupdict())
        if found := matches("POST /api/spaces/(?P<name>.+)/hardware"):
            return self.runtime(**found.groupdict(), flavor=json.loads(body)["flavor"])
        if found := matches(f"GET /api/{REPOSITORY}/tree/main"):
            return self.tree(**found.groupdict())
        if found := matches(f"POST /api/{REPOSITORY}/preupload/main"):
            return self.preupload(**found.groupdict(), body=json.loads(body))
        if matches(r"POST /(spaces/)?[\w.-]+/[\w.-]+\.git/info/lfs/objects/batch"):
            return self.batch(json.loads(body))
        if found := matches("PUT /lfs/(?P<oid>[0-9a-f]{64})"):
            return self.store(**found.groupdict(), content=body)
        if found := matches(f"POST /api/{REPOSITORY}/commit/main"):
            return self.commit(**found.groupdict(), lines=[json.loads(line) for line in body.splitlines()])
        if found := matches(r"(HEAD|GET) /(?P<name>[\w.-]+/[\w.-]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)"):
            return self.resolve(**found.groupdict())
        raise Refused(404, f"This Hub knows no {method} {path}")


def blob(content: bytes) -> str:
    """Git's name for a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def validate(body: dict[str, Any]) -> dict[str, Any]:
    """The front matter of a README, by the Hub's documented rules for Spaces and models."""
    _, matter, _ = body["content"].split("---\n", 2)
    data, errors = yaml.safe_load(matter), []
    if body["repoType"] == "space":
        errors += [f"{key} is missing" for key in ("title", "emoji", "sdk", "app_file", "license") if key not in data]
        errors += [f"{key} is no colour" for key in ("colorFrom", "colorTo") if data.get(key) not in COLOURS]
        if len(data.get("short_description", "")) > 60:
            errors.append("short_description is longer than 60 characters")
        if not isinstance(data.get("python_version"), str):
            errors.append("python_version is no string")
    if errors:
        raise Refused(400, json.dumps({"errors": [{"message": e} for e in errors], "warnings": []}))
    return {"errors": [], "warnings": []}


class Handler(BaseHTTPRequestHandler):
    """The Hub of its server over HTTP, which may cut off a request half-way."""

    server: "Server"
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def handle_any(self) -> None:
        hub, path = self.server.hub, urlsplit(self.path).path
        hub.requests.append(f"{self.command} {path}")
        kind = "commit" if "/commit/" in path else self.command
        if hub.drop.get(kind, 0) > 0:
            hub.drop[kind] -= 1
            self.rfile.read(1000)
            self.close_connection = True
            return
        body = self.body()
        try:
            shown = self.headers.get("Authorization")
            # Whoever reads needs no token; the addresses of PUT are signed.
            if shown != f"Bearer {TOKEN}" and (shown or self.command == "POST"):
                raise Refused(401, "Invalid username or password.")
            answer = hub.route(self.command, path, body)
            content, headers = answer if isinstance(answer, tuple) else (json.dumps(answer).encode(), {})
            self.answer(200, content, headers)
        except Refused as refused:
            code = {"X-Error-Code": refused.code} if refused.code else {}
            text = str(refused)
            content = text if text.startswith("{") else json.dumps({"error": text})
            self.answer(refused.status, content.encode(), code | {"X-Error-Message": text.replace("\n", " ")})

    do_GET = do_HEAD = do_POST = do_PUT = handle_any

    def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = Hub(f"http://127.0.0.1:{self.server_port}")


@contextmanager
def serving_hub() -> Iterator[Hub]:
    """A Hub with nothing on it, whose only user is USER with TOKEN."""
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.hub
        finally:
            server.shutdown()
