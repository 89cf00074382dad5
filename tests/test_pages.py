"""Every block of code on a page for people is run by a test, or says that it is not, and why.

Those that are run: tests/integration/test_readme.py, tests/integration/test_guide.py, and the tests
named here.
"""

import shutil

import pytest

from tests.integration.test_guide import PAGES
from tests.pages import Block, blocks, every_page, wrong_syntax
from tests.source import ROOT

RUN_ELSEWHERE = {
    "README.md": "tests/integration/test_readme.py",
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
