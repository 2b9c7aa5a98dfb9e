"""Write the golden files."""

from tests.operator.golden import FOLDER, SPECS, rendered

for name in SPECS:
    (FOLDER / f"{name}.yaml").write_text(rendered(name))
