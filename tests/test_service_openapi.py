"""The OpenAPI description is true: schemathesis asks what it allows, and more, and finds no bug."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from services import InProcess, Process
from test_cli import environment

from dedup.service import shapes
from dedup.service.docs_page import docs_html
from dedup.service.keys import add_key
from dedup.service.openapi import OPERATIONS, description
from dedup.service.problems import KINDS
from dedup.service.state import Options


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """Whatever is asked, the answer is documented, of its documented type and shape, and no bug.

    That all which a schema allows is accepted is not asked: limits, and what may stand together,
    are told in words. So many examples, and no time: on a busy machine that ended before all
    operations were asked.
    """
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "60", "--no-color"),
        *("--exclude-checks", "positive_data_acceptance", "--suppress-health-check", "all"),
        *("--generation-database", "none"),
    ]
    hooks = Path(__file__).with_name("schemathesis_hooks.py")
    with Process("--log-level", "warning", "--max-namespaces", "10000") as service:
        ended = subprocess.run(
            [*command, f"{service.url}/openapi.json"],
            env=environment(SCHEMATHESIS_HOOKS=hooks.stem),
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert re.search(r"Tested: +10\b", ended.stdout), ended.stdout
        assert httpx.get(f"{service.url}/readyz").status_code == 200
    assert not [line for line in service.lines if '"bug"' in line]


def test_every_route_is_described() -> None:
    """The description has every route of the service, with all of its methods, and no other."""
    with InProcess() as service:
        routes = service.app._app.routes  # type: ignore[attr-defined]
        for_people = {"/", "/web/{name}", "/docs", "/openapi.json"}
        there = {
            (route.path.replace(":page}", "}"), method.lower())
            for route in routes
            for method in route.methods - {"HEAD"}
            if route.path not in for_people
        }
    assert there == {(operation.path, operation.method) for operation in OPERATIONS}


def test_examples_are_answered() -> None:
    """Every example of a body is accepted as it stands."""
    document = description("0", is_open=True)
    with InProcess() as service:
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                for media, content in operation.get("requestBody", {}).get("content", {}).items():
                    examples = [each["value"] for each in content.get("examples", {}).values()]
                    for body in [
                        *examples,
                        *([content["example"]] if "example" in content else []),
                    ]:
                        sent: dict[str, Any] = (
                            {"content": body} if isinstance(body, str) else {"json": body}
                        )
                        answer = service.ask(
                            method.upper(),
                            path,
                            params={"page": "p"} if path == "/v1/check" else {},
                            headers={"content-type": media},
                            **sent,
                        )
                        assert answer.status_code == 200, answer.text


def test_examples_of_answers_are_of_their_shape() -> None:
    """Every example of an answer is one that could be given."""
    told = {op.answer: op.examples.values() for op in OPERATIONS if op.answer and op.examples}
    assert told
    for name, examples in told.items():
        for example in examples:
            msgspec.convert(example, getattr(shapes, name), strict=True)


@pytest.mark.parametrize("with_keys", [True, False])
def test_the_page_for_people(tmp_path: Path, with_keys: bool) -> None:  # noqa: FBT001 - a parameter
    """The page names every path and problem, loads nothing, and has no script."""
    path = tmp_path / "keys.toml"
    add_key(path, "a")
    with InProcess(Options(keys=path if with_keys else None)) as service:
        answer = service.ask("GET", "/docs")
        document = service.ask("GET", "/openapi.json").json()
    assert answer.headers["content-type"].startswith("text/html")
    for name in KINDS:
        assert f"id='{name}'" in answer.text
    assert "<script" not in answer.text
    assert not re.search(r"(src|href)='(?!/)", answer.text)
    assert "'unsafe" not in answer.headers["content-security-policy"]
    assert document["openapi"].startswith("3.1")
    assert ("securitySchemes" in document["components"]) is with_keys
    assert ("security" in document["paths"]["/v1/check"]["post"]) is with_keys


def test_markup_of_the_description_is_text() -> None:
    """What the description holds is shown, never run."""
    document = description("<script>1</script>", is_open=True)
    assert "<script>" not in docs_html(document)
