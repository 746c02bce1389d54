"""The fake passes what every runtime passes."""

import json
import secrets
from pathlib import Path

import pytest

from pier.testing.fake_runtime import FakeRuntime
from pier.testing.runtime import Bundles, RuntimeSuite


class TestFake(RuntimeSuite):
    @pytest.fixture
    def runtime(self) -> FakeRuntime:
        return FakeRuntime()

    @pytest.fixture
    def bundles(self, tmp_path: Path) -> Bundles:
        def make(*args: str, terminal: bool = False) -> tuple[str, Path]:
            id = secrets.token_hex(8)
            bundle = tmp_path / id
            bundle.mkdir()
            process = {"args": list(args), "terminal": terminal}
            (bundle / "config.json").write_text(json.dumps({"process": process}))
            return id, bundle

        return make
