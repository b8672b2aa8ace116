from __future__ import annotations

from pathlib import Path

from tests.observed import observed, outcome

from airlock.validate.rules import cluster_policy, import_error

_TRACE = """Traceback (most recent call last):
  File "/site/airflow/dag_processing/dagbag.py", line 407, in bag_dag
    settings.dag_policy(dag)
airflow.exceptions.AirflowClusterPolicyViolation: DAG etl has no tags. File path: {root}/etl.py
"""


def test_other_errors_give_nothing(tmp_path: Path) -> None:
    assert list(cluster_policy.find(observed(tmp_path, outcome(errors={"etl.py": "KeyError: 'a'"})))) == []


def test_what_the_policy_says_is_told_and_is_no_import_error(tmp_path: Path) -> None:
    seen = observed(tmp_path, outcome(errors={"etl.py": _TRACE.format(root=tmp_path)}))
    (finding,) = cluster_policy.find(seen)
    assert (finding.rule, finding.file) == ("cluster-policy", "etl.py")
    assert finding.message == "refused by the deployment's cluster policy: DAG etl has no tags. File path: etl.py"
    assert list(import_error.find(seen)) == []


def test_a_policy_that_fails_itself_is_named_as_such(tmp_path: Path) -> None:
    text = "airflow.exceptions.AirflowClusterPolicyError: 'NoneType' object has no attribute 'tags'"
    (finding,) = cluster_policy.find(observed(tmp_path, outcome(errors={"etl.py": text})))
    assert finding.message.endswith("cluster policy: 'NoneType' object has no attribute 'tags'")
