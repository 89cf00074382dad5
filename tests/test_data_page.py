"""docs/data.md lists all findings about data, and no others. Its walk runs in tests/integration."""

import ast
import re

from tests.source import ROOT, files, nodes, tree
from worker.spec import Reading


def made(path: str) -> set[str]:
    """The codes of the findings that the sources below a folder make."""
    codes: set[str] = set()
    for file in files(path):
        for node in nodes(tree(file)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in ("Draft", "Advice"):
                named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
                (code, *_) = [*named, *node.args]
                if ast.unparse(code) != "draft.code":  # A draft on its way to be a finding.
                    assert isinstance(code, ast.Constant), f"{file}: write out the code of {code}"
                    codes.add(code.value)
    return codes


def table() -> list[list[str]]:
    """The rows of the page's table of findings."""
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"<!-- findings: begin -->\n(.*?)<!-- findings: end -->", text, re.S)
    return [row.strip("|").split("|") for row in found.splitlines()[2:]]


def test_the_page_lists_every_finding_once() -> None:
    listed = [row[0].strip(" `") for row in table()]
    assert sorted(listed) == sorted(made("worker/data"))


def test_every_finding_has_a_meaning_and_a_remedy() -> None:
    assert all(len(row) == 3 and all(cell.strip() for cell in row) for row in table())


def test_every_line_that_overrules_is_a_member_of_a_job() -> None:
    lines = [line for _, _, remedy in table() for line in re.findall("`(.+?)`", remedy)]
    assert len(lines) >= 15
    for line in lines:
        assert not Reading.model_validate_json(f"{{{line}}}").says_nothing
