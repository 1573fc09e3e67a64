"""openapi.yaml: an OpenAPI 3.1 document, complete, and of one mind with the code.

openapi-3.1.schema.json is the official schema of such documents (https://spec.openapis.org/oas/3.1/schema/2022-10-07, of
the OpenAPI Initiative, Apache License 2.0), as it was published.
"""
import json
import re
from pathlib import Path

import jsonschema
import pytest
from kit.contract import METHODS, contract

HERE = Path(__file__).resolve().parent
ADMIN = HERE.parents[1] / "proxy" / "admin"
CONTRACT = contract()
DOCUMENT = CONTRACT.document


def nodes(node, at="#"):
    """Every mapping of the document, and where it is."""
    if isinstance(node, dict):
        yield at, node
        for name, child in node.items():
            yield from nodes(child, f"{at}/{name}")
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from nodes(child, f"{at}/{number}")


def responses():
    for path, method, operation in CONTRACT.operations():
        for status, response in operation["responses"].items():
            yield f"{method} {path} {status}", status, CONTRACT.at(response)
    for status, response in CONTRACT.any_request.items():
        yield f"any request {status}", status, CONTRACT.at(response)


def schemas_of(media):
    for kind, content in media.get("content", {}).items():
        yield kind, content["schema"]


def open_objects(schema, seen, closed=False):
    """The objects below a schema that would take a member which it does not name."""
    key = json.dumps(schema, sort_keys=True, default=str)
    if not isinstance(schema, dict) or (key, closed) in seen:
        return
    seen.add((key, closed))
    closed = closed or "unevaluatedProperties" in schema or "additionalProperties" in schema
    types = schema.get("type", [])
    if ("properties" in schema or "object" in ([types] if isinstance(types, str) else types)) and not closed:
        yield schema
    if "$ref" in schema:
        yield from open_objects(CONTRACT.resolver.resolve(schema["$ref"])[1], seen, closed)
    for part in schema.get("allOf", []):  # one closed part closes the whole
        shut = closed or any(is_closed(other) for other in schema["allOf"])
        yield from open_objects(part, seen, shut)
    for part in [*schema.get("oneOf", []), *schema.get("anyOf", [])]:
        yield from open_objects(part, seen, closed)
    for child in schema.get("properties", {}).values():
        yield from open_objects(child, seen)
    for name in ("items", "additionalProperties"):
        yield from open_objects(schema.get(name), seen)


def is_closed(schema):
    schema = CONTRACT.at(schema)
    return "unevaluatedProperties" in schema or "additionalProperties" in schema


def test_it_is_an_openapi_3_1_document():
    schema = json.loads((HERE / "openapi-3.1.schema.json").read_text())
    # x- members are the document's own and named by pattern in the schema; everything else has to be known to it.
    errors = jsonschema.Draft202012Validator(schema).iter_errors(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert [f"{e.json_path}: {e.message[:200]}" for e in errors] == []


def test_every_schema_is_one_of_json_schema_2020_12():
    for at, node in nodes(DOCUMENT):
        if at.endswith("/schema") or at.rpartition("/")[0] == "#/components/schemas":
            jsonschema.Draft202012Validator.check_schema(node)


def test_every_reference_leads_somewhere_and_every_component_is_used():
    used = {node["$ref"] for _, node in nodes(DOCUMENT) if isinstance(node.get("$ref"), str)}
    for reference in used:
        CONTRACT.resolver.resolve(reference)
    components = {f"#/components/{kind}/{name}" for kind, named in DOCUMENT["components"].items() for name in named
                  if kind != "securitySchemes"}
    assert components == used


def test_every_operation_names_itself_its_tag_and_each_of_its_statuses():
    names = [operation["operationId"] for _, _, operation in CONTRACT.operations()]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    for path, method, operation in CONTRACT.operations():
        assert operation.get("summary") and set(operation["tags"]) <= tags, (method, path)
        assert "default" not in operation["responses"], f"{method} {path}: name its statuses"
        if operation.get("security") != []:
            assert "401" in operation["responses"], (method, path)
        in_path = {name for place, name in CONTRACT.parameters(path, operation) if place == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path)), (method, path)


@pytest.mark.parametrize("rule", ["a body may be wrong", "a path may name nothing", "a version may be another's"])
def test_what_a_call_takes_says_how_it_is_refused(rule):
    for path, method, operation in CONTRACT.operations():
        if operation.get("security") == []:
            continue
        said = set(operation["responses"])
        parameters = CONTRACT.parameters(path, operation)
        if rule == "a body may be wrong" and "requestBody" in operation:
            assert {"400", "413", "415"} <= said, (method, path)
        if rule == "a path may name nothing" and "{" in path:
            assert "404" in said, (method, path)
        if rule == "a version may be another's" and ("header", "If-Match") in parameters:
            assert "412" in said, (method, path)
        if ("header", "Idempotency-Key") in parameters:
            assert {"400", "422"} <= said, (method, path)


def test_an_answer_has_no_member_that_is_not_named():
    for at, _, response in responses():
        for kind, schema in schemas_of(response):
            if "json" not in kind:
                continue
            # `config` is the connection's own, in the catalog entry's words; a list's items are said beside the page.
            found = [one for one in open_objects(schema, set()) if one != {"type": "object"}]
            assert found == [], f"{at}: {json.dumps(found)[:400]}"


def test_problems_have_the_codes_of_the_code_at_its_statuses():
    table = (ADMIN / "problem.cpp").read_text()
    table = table[table.index("kTable"):table.index("};", table.index("kTable"))]
    in_code = {(code, int(status)) for code, status in re.findall(r'\{"([a-z-]+)", (\d+),', table)}
    in_code.add(("overloaded", 503))  # before there is a request: http_server.cpp
    documented = set()
    for at, status, response in responses():
        for kind, schema in schemas_of(response):
            if kind != "application/problem+json":
                continue
            _, said = schema["allOf"]
            assert said["properties"]["status"]["const"] == int(status), at
            documented |= {(code, int(status)) for code in said["properties"]["code"]["enum"]}
    assert documented == in_code


def test_the_routes_of_the_router_are_documented_and_no_others():
    """The room test serves_what_openapi_documents asks the running server the same; this names what is missing."""
    code = (ADMIN / "router.cpp").read_text()
    names = dict(re.findall(r'constexpr std::string_view (k\w+) = "(/[^"]*)";', code))
    table = code[code.index("kRoutes[]"):]
    routed = {(method, names.get(path, path.strip('"')))
              for method, path in re.findall(r'\{"([A-Z]+)", ("/[^"]*"|k\w+),', table[:table.index("};")])}
    documented = {(method.upper(), re.sub(r"\{\w+\}", "*", path)) for path, method, operation in CONTRACT.operations()
                  if operation.get("security") != []}
    assert documented == routed


def test_every_parameter_has_a_schema():
    for path, method, operation in CONTRACT.operations():
        for (place, name), parameter in CONTRACT.parameters(path, operation).items():
            assert parameter.get("schema"), (method, path, place, name)


def test_methods_are_those_of_http():
    for path, item in DOCUMENT["paths"].items():
        assert set(item) <= {*METHODS, "parameters"}, path
