"""Install Chromium and axe-core where it can be: `make test-extended` does so."""

import sys

from tests.bench.fixtures import required
from tests.browser.install import NoBrowser, axe_source, installed

try:
    print(installed().browser)
    print(axe_source())
except NoBrowser as error:
    print(f"no browser: {error}; its tests will not run", file=sys.stderr)
    sys.exit(1 if required() else 0)
