"""crun and runc pass what every runtime passes."""

import pytest

from pier.testing.runtime import RuntimeSuite


class TestCrun(RuntimeSuite):
    @pytest.fixture
    def runtime_name(self) -> str:
        return "crun"


class TestRunc(RuntimeSuite):
    @pytest.fixture
    def runtime_name(self) -> str:
        return "runc"
