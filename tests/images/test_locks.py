"""What the images are made of is pinned, tested, and there for both processors."""

import re
from collections.abc import Iterator
from importlib.metadata import metadata

import pytest
from images import assemble, licenses

from tests.images.build import ROOT

LOCKS = {path.stem: path.read_text() for path in sorted((ROOT / "images").glob("*.lock"))}


def pins(lock: str) -> dict[str, tuple[str, set[str]]]:
    """Package -> (version, hashes)."""
    found = re.findall(r"^(\S+)==(\S+)(.*?)(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)
    return {
        name: (version, set(re.findall(r"sha256:([0-9a-f]{64})", rest)))
        for name, version, rest in found
    }


def wheels() -> Iterator[tuple[str, str, str]]:
    """(package, hash, platform tag) of images/wheels.txt."""
    for line in (ROOT / "images/wheels.txt").read_text().splitlines():
        digest, name = line.split()
        yield re.sub(r"[-_.]+", "-", name.split("-")[0]).lower(), digest, name.rpartition("-")[2]


@pytest.mark.parametrize("image", LOCKS)
def test_an_image_has_what_is_tested(image: str) -> None:
    """Every package has the version of requirements.lock and a hash; no address is named."""
    tested = pins((ROOT / "requirements.lock").read_text())
    locked = pins(LOCKS[image])

    assert locked
    assert "://" not in LOCKS[image]
    assert [name for name, (_, hashes) in locked.items() if not hashes] == []
    assert {name: version for name, (version, _) in locked.items()} == {
        name: tested[name][0] for name in locked if name != "numpy"
    } | ({"numpy": locked["numpy"][0]} if "numpy" in locked else {})
    if "numpy" in locked:
        newest = re.findall(
            r"^numpy==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
        )
        assert locked["numpy"][0] in newest


@pytest.mark.parametrize("processor", assemble.PROCESSORS)
@pytest.mark.parametrize("image", LOCKS)
def test_each_locked_package_has_a_wheel_for_both_processors(image: str, processor: str) -> None:
    """The one that pip chose there, by its hash: nothing is compiled at a user's."""
    there: dict[str, set[str]] = {}
    for package, digest, platform in wheels():
        if platform == "any.whl" or assemble.PROCESSORS[processor] in platform:
            there.setdefault(package, set()).add(digest)
    lacking = [
        name
        for name, (_, hashes) in pins(LOCKS[image]).items()
        if not hashes & there.get(name, set())
    ]

    assert lacking == []


def test_there_is_a_lock_for_each_image_and_one_for_the_scaler_of_keda() -> None:
    """It adds to the operator's and changes nothing of it."""
    operator, keda = pins(LOCKS["operator"]), pins(LOCKS["operator-keda"])

    assert set(LOCKS) == {*assemble.IMAGES, "operator-keda"}
    assert operator.items() <= keda.items()
    assert set(keda) - set(operator) == {"grpcio", "protobuf"}


def test_the_router_has_no_kubernetes_client_and_no_numpy() -> None:
    """Strangers reach it; what it does not have cannot be turned against it."""
    assert {"kubernetes", "kopf", "numpy", "grpcio", "psycopg"} & set(
        pins(LOCKS["router"])
    ) == set()


def test_every_license_is_known_and_allowed() -> None:
    """Of every package of every image, by its own metadata."""
    names = sorted({name for lock in LOCKS.values() for name in pins(lock)})
    found = licenses.report(metadata(name) for name in names)  # type: ignore[misc]

    assert sorted(row[0].replace("_", "-") for row in found) == names


def test_the_dockerfile_gets_what_it_copies_and_tells_what_the_builder_tells() -> None:
    """Both ways to an image share their steps; what cannot be shared is compared."""
    from tests.images import build

    text = (ROOT / "Dockerfile").read_text()
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for name in line.split()[:-1]
    }
    told = " ".join(f"{name}={value}" for name, value in build.ENVIRONMENT.items())

    assert copied == let_through
    assert f"ENV {told}\n" in text
    assert f"USER {build.config('router')['User']}\n" in text
    for image, command in build.COMMANDS.items():
        assert re.search(
            rf'^FROM debian AS {image}\n.*\nCMD \["{command[0]}"\]$', text, re.MULTILINE
        )
