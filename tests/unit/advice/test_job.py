"""Every configuration is looked at, and each finding is told once."""

import ast
from typing import Any

from tests.findings import findings, found, silent
from tests.source import ROOT, tree
from worker.advice.job import RULES

HEAVY = {"l1": {"strength": 0.01}}


def member(number: int, **sections: Any) -> dict[str, Any]:
    return {"name": str(number), **sections}


def test_a_member_of_a_comparison_is_named_by_its_path() -> None:
    members = [member(0), member(1, regularization={}), member(2, regularization=HEAVY)]
    finding = found("penalty_outweighs_loss", compare=members)
    assert finding.field == "compare.2.regularization.l1.strength"
    assert "also" not in finding.evidence


def test_the_jobs_own_section_counts_only_where_it_is_not_replaced() -> None:
    members = [member(n, regularization={}) for n in range(2)]
    assert silent("penalty_outweighs_loss", regularization=HEAVY, compare=members)
    finding = found(
        "penalty_outweighs_loss", regularization=HEAVY, compare=[member(0), *members[1:]]
    )
    assert finding.field == "regularization.l1.strength"


def test_a_finding_is_told_once_with_its_other_fields() -> None:
    members = [member(n, regularization={"l1": {"strength": 0.01 + n}}) for n in range(20)]
    finding = found("penalty_outweighs_loss", compare=[*members, member(20)], regularization=HEAVY)
    assert finding.field == "compare.0.regularization.l1.strength"
    assert finding.evidence["also"][0] == "compare.1.regularization.l1.strength"
    assert (len(finding.evidence["also"]), finding.evidence["more"]) == (10, 10)


def test_networks_and_training_of_members_count() -> None:
    selu = {"kind": "mlp", "activation": "selu"}
    job: dict[str, Any] = {"regularization": {"dropout": {"p": 0.2}, "batch_norm": {}}}
    members = [member(0), member(1, network=selu, training={"batch_size": 1})]
    assert found("dropout_with_selu", compare=members, **job).field == "regularization.dropout"
    assert found("batch_of_one", compare=members, **job).field == "compare.1.training.batch_size"


def test_warnings_come_first() -> None:
    said = [
        finding.severity for finding in findings(regularization=HEAVY | {"l2": {"strength": 1.0}})
    ]
    assert said == sorted(said, reverse=True)
    assert set(said) == {"warning", "info"}


def test_a_sound_job_is_told_nothing() -> None:
    techniques = {"weight_decay": {"strength": 0.01}, "dropout": {"p": 0.2}, "early_stopping": {}}
    assert findings(dataset={"builtin": "breast_cancer"}, regularization=techniques) == []


def test_every_rule_is_in_the_registry() -> None:
    """A rule that is not registered would be silent."""
    folder = ROOT / "worker" / "advice"
    written = {
        node.name
        for path in folder.glob("*.py")
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef)
        and node.returns is not None
        and ast.unparse(node.returns) == "Iterator[Advice]"
    }
    assert written == {rule.__name__ for rule in RULES}
