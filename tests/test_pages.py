"""Every block of code on a page for people is run by a test, or says that it is not, and why.

Those that are run: tests/integration/test_readme.py, tests/integration/test_guide.py, and the tests
named here.
"""

import json
import shutil
from typing import Any

import pytest
import yaml

from tests.integration.test_guide import PAGES
from tests.pages import Block, blocks, data_blocks, every_page, wrong_syntax
from tests.source import ROOT
from worker.spec import JobSpec

RUN_ELSEWHERE = {
    "README.md": "tests/integration/test_readme.py",
    "docs/architecture.md": "tests/test_rooms.py",
    "docs/client.md": "tests/integration/test_client_page.py",
    "docs/data.md": "tests/integration/test_readme.py",
    "docs/export.md": "tests/api/test_export_page.py",
    "docs/model-file.md": "tests/api/test_learnt.py",
    "docs/terminal.md": "tests/integration/test_terminal.py",
}


def not_run() -> list[tuple[str, Block]]:
    return [(page, one) for page in every_page() for one in blocks(page) if one.why_not_run]


def test_every_page_with_code_is_walked_or_marked() -> None:
    with_code = {page for page in every_page() if not all(one.why_not_run for one in blocks(page))}
    assert with_code == PAGES.keys() | RUN_ELSEWHERE.keys()


def test_the_tests_that_run_the_others_name_their_page() -> None:
    for page, test in RUN_ELSEWHERE.items():
        assert page.rsplit("/", 1)[-1] in (ROOT / test).read_text(encoding="utf-8"), test


@pytest.mark.parametrize(
    ("page", "block"), not_run(), ids=lambda value: getattr(value, "language", value)
)
def test_what_is_not_run_has_at_least_no_wrong_syntax(page: str, block: Block) -> None:
    if block.language == "javascript" and not shutil.which("node"):
        pytest.skip("THERE IS NO NODE: JavaScript on the pages was not checked")
    assert wrong_syntax(block) is None, page


@pytest.mark.parametrize(
    "block",
    [Block("bash", "if true; then\n", None), Block("python", "def f(:\n", None)],
    ids=lambda block: block.language,
)
def test_wrong_syntax_is_seen(block: Block) -> None:
    assert wrong_syntax(block) is not None


def read(block: Block) -> Any:
    """What a block of JSON or YAML says; a member of an object stands without braces."""
    if block.language == "yaml":
        return yaml.safe_load(block.text)
    text = block.text.strip()
    return json.loads(f"{{{text}}}" if text.startswith('"') else text)


def job_in(said: Any) -> dict[str, Any] | None:
    """The job that a block shows, or shows a part of; none where it shows something else."""
    if not isinstance(said, dict):
        return None
    if "space" in said:
        said = {"search": {"method": "random", "trials": 4, **said}}
    if not said.keys() & {"dataset", "network", "search"}:
        return None
    job = {"dataset": {"builtin": "breast_cancer"}, **said}
    if job["dataset"] == "ds_…":
        job["dataset"] = "ds_5f0c9a3e1b7d2468ace0f135"
    return job


def test_what_pages_show_as_json_and_yaml_can_be_read_and_jobs_are_valid() -> None:
    jobs = []
    for page, block in data_blocks():
        try:
            job = job_in(read(block))
            if job is not None:
                jobs.append(JobSpec.model_validate_json(json.dumps(job)))
        except (ValueError, yaml.YAMLError) as error:
            raise AssertionError(f"{page}: {error}\n{block.text}") from error
    assert len(jobs) >= 5


@pytest.mark.parametrize(
    "text", ['{"dataset": {"builtin": "iris"}, "regularization": {"dropout": {"p": 2}}}', '{"a": }']
)
def test_a_block_that_is_wrong_is_seen(text: str) -> None:
    with pytest.raises(ValueError, match=r"dropout|Expecting"):
        JobSpec.model_validate_json(json.dumps(job_in(read(Block("json", text, None)))))
