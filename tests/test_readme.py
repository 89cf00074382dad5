"""The tables of README and docs are those of the classes. Their walks run in tests/integration."""

from docs.readme_tables import (
    METRICS,
    README,
    TECHNIQUES,
    filled,
    filled_metrics,
    filled_techniques,
    settings_table,
    technique_table,
)
from worker.regularization import techniques
from worker.settings import ServiceSettings


def test_the_tables_are_those_of_the_classes() -> None:
    text = README.read_text(encoding="utf-8")
    assert text == filled(text), "run: python docs/readme_tables.py"
    text = TECHNIQUES.read_text(encoding="utf-8")
    assert text == filled_techniques(text), "run: python docs/readme_tables.py"
    text = METRICS.read_text(encoding="utf-8")
    assert text == filled_metrics(text), "run: python docs/readme_tables.py"


def test_every_technique_and_setting_has_a_row() -> None:
    assert all(f"| `{name}` |" in technique_table() for name in techniques())
    assert all(
        f"| `PARSIMONY_{name.upper()}` |" in settings_table()
        for name in ServiceSettings.model_fields
    )


def test_every_technique_has_a_summary_and_every_setting_a_meaning() -> None:
    for table in (technique_table(), settings_table()):
        for row in table.splitlines()[2:]:
            assert all(cell.strip() for cell in row.strip("|").split("|"))
