"""The bill of materials names what is in an image; a license that nobody allowed stops it."""

import json
from email.message import Message
from pathlib import Path

import pytest
from images import licenses, sbom


def said(**fields: str) -> Message:
    """METADATA of a package."""
    message = Message()
    for name, value in ({"Name": "thing", "Version": "1"} | fields).items():
        message[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"License_Expression": "Apache-2.0 AND MIT"}, "Apache-2.0 AND MIT"),
        ({"License": "Apache 2.0"}, "Apache-2.0"),
        ({"License": "a long text", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT"),
    ],
)
def test_a_license_is_found_however_it_is_said(fields: dict[str, str], expected: str) -> None:
    """As an expression, as a word, as a classifier."""
    assert licenses.license_of(said(**fields)) == expected


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"License_Expression": "AGPL-3.0-only"}, "thing: its license is refused: AGPL-3.0-only"),
        ({"License_Expression": "MIT AND GPL-2.0-only"}, "is refused"),
        ({"License": "BUSL-1.1"}, "is refused"),
        ({"License": "The Thing License"}, "is not known: it says The Thing License"),
        ({}, "is not known: it says nothing"),
    ],
)
def test_a_license_that_is_refused_or_unknown_stops_the_image(
    fields: dict[str, str], why: str
) -> None:
    """Also when it is one of several that all hold."""
    with pytest.raises(licenses.Unlicensed, match=why):
        licenses.license_of(said(**fields))


def root(folder: Path, *, license: str) -> Path:  # noqa: A002 - the field's name
    """An image with one package of each kind."""
    info = folder / "usr/local/lib/python3.13/dist-packages/Some_Thing-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Name: Some_Thing\nVersion: 1.2\nLicense-Expression: {license}\n"
    )
    status = folder / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text(
        "Package: libc6\nStatus: install ok installed\nVersion: 2.41-12+deb13u5\n"
        "Architecture: amd64\nDescription: C\n library\n\n"
    )
    return folder


def test_a_document_names_both_kinds_of_packages(tmp_path: Path) -> None:
    """With version, purl and license; the same files give the same document."""
    folder = root(tmp_path, license="MIT")
    found = sbom.document([folder], name="pointsman-router", made=0)
    rows = {
        package["externalRefs"][0]["referenceLocator"]: package["licenseDeclared"]
        for package in found["packages"]
    }

    assert rows == {
        "pkg:deb/debian/libc6@2.41-12%2Bdeb13u5?arch=amd64&distro=debian-trixie": "NOASSERTION",
        "pkg:pypi/some-thing@1.2": "MIT",
    }
    assert found["spdxVersion"] == "SPDX-2.3"
    assert found["creationInfo"]["created"] == "1970-01-01T00:00:00Z"
    assert len({package["SPDXID"] for package in found["packages"]}) == 2
    assert json.dumps(found) == json.dumps(sbom.document([folder], name="pointsman-router", made=0))


def test_no_document_is_written_for_a_refused_license(tmp_path: Path) -> None:
    """A release stops there."""
    with pytest.raises(licenses.Unlicensed):
        sbom.document([root(tmp_path, license="SSPL-1.0")], name="n", made=0)
