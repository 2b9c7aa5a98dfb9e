"""What compiles the images' wheel here is what the Dockerfile has."""

import re

from tests.images.compiling import LOCKS, PACKAGES, ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_compiler_is_the_dockerfiles() -> None:
    """The same packages and locks; and an image is compiled unless somebody says otherwise."""
    (installed,) = re.findall(r"--no-install-recommends (.*)$", DOCKERFILE, re.MULTILINE)

    assert set(PACKAGES) <= set(installed.split())
    assert re.findall(r"-r (\S+\.lock)", DOCKERFILE) == list(LOCKS)
    assert "\nARG COMPILE=require\n" in DOCKERFILE
