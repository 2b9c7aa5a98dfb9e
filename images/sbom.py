"""`python images/sbom.py ROOT --name NAME [--licenses]`: what is in an image, read from its files.

An SPDX 2.3 document in JSON: Debian's packages from var/lib/dpkg/status and Python's from their
METADATA, each with version, purl and license. The same files give the same bytes.
`--licenses` prints the table of Python's licenses instead. Raises Unlicensed for an unknown one.
https://spdx.github.io/spdx-spec/v2.3/
"""

import argparse
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from images.debian import RELEASE
from images.licenses import Unlicensed, license_of, report

_MADE: Final = 1735689600
"""SOURCE_DATE_EPOCH of who sets none."""


def python_packages(*folders: Path) -> list[Message]:
    """METADATA of every distribution in them."""
    found = (path for folder in folders for path in folder.rglob("*.dist-info/METADATA"))
    return [BytesHeaderParser().parsebytes(path.read_bytes()) for path in sorted(found)]


def debian_packages(*folders: Path) -> Iterator[dict[str, str]]:
    """Name, version, architecture of each."""
    for status in (folder / "var/lib/dpkg/status" for folder in folders):
        for block in status.read_text().split("\n\n") if status.exists() else ():
            fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", block, re.MULTILINE))
            if fields:
                yield fields


def document(folders: Sequence[Path], *, name: str, made: int) -> dict[str, Any]:
    """The SPDX document of an image that `folders`, its layers, make up; `made` in Unix seconds."""
    packages = [
        _package(
            metadata["Name"],
            metadata["Version"],
            purl=f"pkg:pypi/{_normal(metadata['Name'])}@{metadata['Version']}",
            spdx=license_of(metadata),
        )
        for metadata in python_packages(*folders)
    ]
    packages += [
        _package(
            fields["Package"],
            fields["Version"],
            purl=f"pkg:deb/debian/{fields['Package']}@{fields['Version'].replace('+', '%2B')}"
            f"?arch={fields['Architecture']}&distro=debian-{RELEASE}",
            spdx="NOASSERTION",
            comment=f"Debian main; license texts: usr/share/doc/{fields['Package']}/copyright",
        )
        for fields in debian_packages(*folders)
    ]
    packages.sort(key=lambda package: package["SPDXID"])
    identity = hashlib.sha256(json.dumps([name, packages], sort_keys=True).encode()).hexdigest()
    relations = [
        {
            "spdxElementId": "SPDXRef-DOCUMENT",
            "relationshipType": "DESCRIBES",
            "relatedSpdxElement": package["SPDXID"],
        }
        for package in packages
    ]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"https://pointsman.dev/spdx/{name}-{identity}",
        "creationInfo": {
            "created": datetime.fromtimestamp(made, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": ["Tool: pointsman-images/sbom.py"],
        },
        "packages": packages,
        "relationships": relations,
    }


def _package(name: str, version: str, *, purl: str, spdx: str, comment: str = "") -> dict[str, Any]:
    kind = purl.partition(":")[2].partition("/")[0]
    found: dict[str, Any] = {
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", f"{kind}-{name}"),
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": spdx,
        "licenseDeclared": spdx,
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl,
            }
        ],
    }
    return found | ({"licenseComments": comment} if comment else {})


def _normal(name: str) -> str:
    """As PyPI writes it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Print one of both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("roots", type=Path, nargs="+", metavar="ROOT")
    parser.add_argument("--name", default="pointsman")
    parser.add_argument("--licenses", action="store_true")
    told = parser.parse_args()
    try:
        if told.licenses:
            for row in report(python_packages(*told.roots)):
                print("{:40} {:16} {}".format(*row))
        else:
            made = int(os.environ.get("SOURCE_DATE_EPOCH") or _MADE)
            found = document(told.roots, name=told.name, made=made)
            if not found["packages"]:
                parser.error("there are no packages in it")
            print(json.dumps(found, indent=1, sort_keys=True))
    except Unlicensed as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
