"""What is other, in lines for people."""

from pointsman.operator.plan.reevaluating.differing import MOST_LINES, changes, weight_changes
from tests.operator.objects import policy, route, rule, target


def test_fields_by_their_names() -> None:
    """Lists by the names of their members, whatever their order."""
    before = policy(rules=(rule("code", {"task": ["Coding"]}, "a"),), default=route("a"))["spec"]
    after = policy(
        rules=(rule("new", {"task": ["Chat"]}, "c"), rule("code", {"task": ["Coding"]}, "a")),
        default={"targets": [target("a", 3), target("b")]},
        model_names=("auto", "x"),
    )["spec"]

    assert changes(before, after) == [
        'modelNames: ["auto"] -> ["auto", "x"]',
        "default.targets[a].weight: 1 -> 3",
        'default.targets[b]: absent -> {"backendRef": {"name": "b"}, "weight": 1}',
        (
            'rules[new]: absent -> {"match": {"task": ["Chat"]}, "name": "new", "targets": '
            '[{"backendRef": {"name": "c"}, "weight": 1}]}'
        ),
    ]
    assert changes(before, before) == []


def test_weights_in_percent() -> None:
    """Of each rule that has others."""
    before = policy(default=route("a", chain=("b",)))["spec"]
    after = policy(default={"targets": [target("a", 1), target("b", 2)]})["spec"]

    assert weight_changes(before, after) == [
        "default: a 100 -> 33.3 %, b 0 -> 66.7 %",
        "default: fallbacks b -> none",
    ]


def test_long_ones_are_cut() -> None:
    """A ControllerRevision has room for 256 KiB of annotations."""
    before = {"a": {str(number): "x" * 1000 for number in range(100)}}
    after = {"a": {str(number): "y" * 1000 for number in range(100)}}
    found = changes(before, after)

    assert len(found) == MOST_LINES
    assert found[-1] == "and 37 more"
    assert max(map(len, found)) == 256
