"""`python -m tests.images build DIR`: the images without Docker, one tar each, and their sizes.

`ctr -n k8s.io images import DIR/router.tar` takes one; an SBOM lies beside each. Built into a cache
outside the tree first. `python -m tests.images wheels` writes images/wheels.txt anew, after a lock
changed.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

from images import assemble, sbom

from tests.images import build, oci
from tests.images.install import NoImages


def main() -> None:
    """Build, print, copy."""
    parser = argparse.ArgumentParser(prog="python -m tests.images", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    told = verbs.add_parser("build")
    told.add_argument("folder", type=Path)
    told.add_argument("--processor", choices=assemble.PROCESSORS, default=assemble.processor_here())
    verbs.add_parser("wheels")
    options = parser.parse_args()
    if options.verb == "wheels":
        (build.ROOT / "images/wheels.txt").write_text(build.listed())
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    for image in assemble.IMAGES:
        file = build.archive(image, options.processor)
        shutil.copyfile(file, options.folder / file.name)
        layers = build.base(options.processor), build.added(image, options.processor)
        whole = build.size(*layers)
        bill = sbom.document(layers, name=f"pointsman-{image}", made=oci.EPOCH)
        (options.folder / f"{image}.spdx.json").write_text(json.dumps(bill, indent=1) + "\n")
        name = build.NAME.format(image=image, version=build.version())
        print(
            f"{name:28} {options.processor}  {whole / 1e6:6.1f} MB unpacked"
            f"  {file.stat().st_size / 1e6:6.1f} MB packed  {options.folder / file.name}"
        )


if __name__ == "__main__":
    try:
        main()
    except NoImages as error:
        print(f"no images: {error}", file=sys.stderr)
        sys.exit(1)
