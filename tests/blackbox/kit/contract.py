"""The admin API's answers, held against proxy/admin/openapi.yaml.

`check()` takes one exchange and answers what is wrong with it, in sentences; nothing: it is as documented. Used by the
kit's own admin client for every answer it gets, and by tests/contract for what the C++ tests wrote down. With
POSTERN_ANSWERS in the environment, what was seen (operation and status) is kept in a file of that folder.
"""
import functools
import json
import os
import re
import urllib.parse
from pathlib import Path

import jsonschema
import yaml

DOCUMENT = Path(__file__).resolve().parents[3] / "proxy" / "admin" / "openapi.yaml"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# Fields that HTTP itself or every answer of ours has; the others have to be documented where they come.
COMMON_FIELDS = {"content-type", "content-length", "connection", "cache-control", "x-content-type-options",
                 "x-frame-options", "content-security-policy", "referrer-policy", "cross-origin-resource-policy",
                 "x-should-retry", "x-request-id", "set-cookie"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

formats = jsonschema.FormatChecker(formats=())


@formats.checks("date-time")
def is_time(value):
    return not isinstance(value, str) or TIME.fullmatch(value) is not None


def enum_in_either_case(validator, allowed, instance, schema):
    """Of what is sent: enumerations are read in upper and lower case."""
    known = [a.upper() if isinstance(a, str) else a for a in allowed]
    if (instance.upper() if isinstance(instance, str) else instance) not in known:
        yield jsonschema.ValidationError(f"{instance!r} is not one of {allowed!r}")


Answered = jsonschema.Draft202012Validator
Sent = jsonschema.validators.extend(Answered, {"enum": enum_in_either_case})


class Contract:
    def __init__(self, document):
        self.document = document
        self.resolver = jsonschema.RefResolver.from_schema(document)
        self.any_request = document["x-any-request"]
        self.paths = [(re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + r"\Z"), path, item)
                      for path, item in document["paths"].items()]
        # An exact path goes before one with a name in it.
        self.paths.sort(key=lambda row: row[1].count("{"))

    def at(self, node):
        """What a node says, behind its $ref."""
        while isinstance(node, dict) and "$ref" in node and len(node) == 1:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def operations(self):
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield path, method, item[method]

    def parameters(self, path, operation):
        """By (place, name)."""
        all_of_them = [*self.document["paths"][path].get("parameters", ()), *operation.get("parameters", ())]
        return {(one["in"], one["name"]): one for one in map(self.at, all_of_them)}

    def find(self, method, target):
        """The documented path that a target has, and the operation; None for what is not there."""
        path = target.partition("?")[0]
        for pattern, name, item in self.paths:
            if pattern.match(path):
                return name, item.get("get" if method == "HEAD" else method.lower())
        return None, None

    def mistakes(self, value, schema, kind=Answered):
        validator = kind(schema, resolver=self.resolver, format_checker=formats)
        return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]

    def check(self, method, target, status, fields, body, *, sent=b"", health=False):
        """What is wrong with this answer. `fields`: names and values; `sent`: the body of the request; `health`: it came
        from listen.health, where there is nothing but probes and metrics."""
        if status < 200:
            return []
        path, operation = self.find(method, target)
        fields = [(name.lower(), value) for name, value in fields]
        if health and status == 404:
            path = operation = None
        response, why = self.documented(path, operation, status)
        if response is None:
            return [why]
        wrong = [*self.wrong_fields(response, fields), *self.wrong_body(response, method, status, fields, body)]
        if path and status == 405:
            wrong += self.wrong_allow(path, dict(fields).get("allow", ""))
        if operation is not None and status < 300:
            wrong += self.wrong_request(path, operation, target, sent)
        return wrong

    def documented(self, path, operation, status):
        """The response that the document has for it; or None and what to say."""
        status = str(status)
        responses = operation["responses"] if operation else {}
        if path and operation is None:  # 405 of a page for people is one too
            item = self.document["paths"][path]
            responses = {name: response for method in METHODS if method in item
                         for name, response in item[method]["responses"].items() if name.endswith("XX")}
        range_of_it = status[0] + "XX"
        if status in responses or range_of_it in responses:
            return self.at(responses.get(status) or responses[range_of_it]), None
        # That there is no such path or method is no answer of one that there is.
        if status in self.any_request and not (operation is not None and status in ("404", "405")):
            return self.at(self.any_request[status]), None
        if path is None:
            return None, f"{status} of a path that is not documented"
        return None, f"{path}: {status} is not documented there"

    def wrong_fields(self, response, fields):
        documented = {name.lower(): self.at(header) for name, header in response.get("headers", {}).items()}
        for name, value in fields:
            if name in documented:
                yield from self.mistakes(value, documented[name]["schema"])
            elif name not in COMMON_FIELDS:
                yield f"the field {name} is not documented"
        there = {name for name, _ in fields}
        for name, header in documented.items():
            if header.get("required") and name not in there:
                yield f"the field {name} is missing"

    def wrong_body(self, response, method, status, fields, body):
        content = response.get("content")
        if not content:
            return [f"a body that is not documented: {body[:200]!r}"] if body else []
        kind = dict(fields).get("content-type", "").partition(";")[0].strip()
        if status == 303 and not body:
            return []
        if kind not in content:
            return [f"the content type {kind!r} is not documented ({', '.join(content)} is)"]
        if method == "HEAD":
            return []
        if kind == "application/x-ndjson":
            lines = content[kind]["schema"]["x-lines"]
            return [wrong for line in body.splitlines() for wrong in self.mistakes(json.loads(line), lines)]
        if "json" not in kind:
            return self.mistakes(body.decode("utf-8", "replace"), content[kind]["schema"])
        try:
            value = json.loads(body)
        except ValueError as error:
            return [f"no JSON: {error}: {body[:200]!r}"]
        wrong = self.mistakes(value, content[kind]["schema"])
        told = dict(fields).get("x-request-id")
        if "problem" in kind and told and value.get("instance") != told:
            wrong.append(f"instance is {value.get('instance')!r}, X-Request-Id {told!r}")
        return wrong

    def wrong_allow(self, path, allow):
        methods = {method.upper() for method in METHODS if method in self.document["paths"][path]}
        if "GET" in methods:
            methods.add("HEAD")
        said = {method.strip() for method in allow.split(",")}
        return [] if said == methods else [f"Allow says {sorted(said)}, the document {sorted(methods)}"]

    def wrong_request(self, path, operation, target, sent):
        """A call that was taken: everything in it has to be documented too."""
        parameters = self.parameters(path, operation)
        for name, value in urllib.parse.parse_qsl(target.partition("?")[2], keep_blank_values=True):
            if ("query", name) not in parameters and any(place == "query" for place, _ in parameters):
                yield f"the query parameter {name} was taken and is not documented"
        body = self.at(operation.get("requestBody"))
        if not sent or body is None:
            return
        kinds = {name: kind["schema"] for name, kind in body["content"].items()}
        if any("json" not in name for name in kinds):  # a document of somebody else's, in one of several forms
            return
        try:
            value = json.loads(sent)
        except ValueError:
            yield f"was taken and is no JSON: {sent[:100]!r}"
            return
        for mistake in self.mistakes(value, kinds["application/json"], Sent):
            yield f"the request was taken, and by the document it is wrong: {mistake}"


@functools.cache
def contract():
    return Contract(yaml.load(DOCUMENT.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def keep(method, target, status):
    """Writes down that this was answered, for tests/contract."""
    folder = os.environ.get("POSTERN_ANSWERS")
    if not folder:
        return
    path, _ = contract().find(method, target)
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open(Path(folder) / f"seen-{os.getpid()}.jsonl", "a") as file:
        file.write(json.dumps({"path": path, "method": method, "status": status}) + "\n")


def must_be_as_documented(method, target, status, fields, body, **more):
    keep(method, target, status)
    wrong = contract().check(method, target, status, fields, body, **more)
    assert not wrong, f"{method} {target} answered {status}, and by openapi.yaml: " + "; ".join(wrong)
