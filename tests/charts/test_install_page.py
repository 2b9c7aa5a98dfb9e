"""The values on docs/install.md render, and what the page says of refusals is what helm says."""

import re
from pathlib import Path

import pytest
import yaml

from tests.charts.helm import CHARTS, HelmFailed, NoHelm, objects, template

PAGE = (CHARTS.parent / "docs" / "install.md").read_text()
BLOCKS = re.findall(r"```yaml not-run: test_install_page.py [^\n]*\n(.*?)```", PAGE, re.DOTALL)


def _render(tmp_path: Path, values: str) -> list[dict[str, object]]:
    file = tmp_path / "values.yaml"
    file.write_text(values)
    try:
        text = template(["-f", str(file)], release="desk", namespace="ai")
    except NoHelm as error:
        pytest.skip(f"not run: {error}")
    return objects(text)


def test_the_page_has_values() -> None:
    """Else the next test would pass over nothing."""
    assert len(BLOCKS) >= 7


@pytest.mark.parametrize("block", BLOCKS, ids=[str(n) for n in range(len(BLOCKS))])
def test_each_block_of_values_renders(tmp_path: Path, block: str) -> None:
    """And changes something."""
    assert _render(tmp_path, block) != _render(tmp_path, "{}")


def test_every_value_that_the_page_names_is_one(tmp_path: Path) -> None:
    """A path in backticks that begins as one of the chart's leads to a value."""
    values = yaml.safe_load((CHARTS / "pointsman" / "values.yaml").read_text())
    tops = "|".join(values)
    named = set(re.findall(rf"`((?:{tops})(?:\.[A-Za-z]+)+)(?:: [^`]*)?`", PAGE))
    assert len(named) > 20
    for path in named:
        here = values
        for key in path.split("."):
            assert key in here, path
            here = here[key]


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    """As the page promises, with its path."""
    with pytest.raises(HelmFailed, match="/router"):
        _render(tmp_path, "router: {replica: 3}\n")
