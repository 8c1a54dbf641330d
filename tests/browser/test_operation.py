"""The test of controls can fail: it finds each fault that is planted on a page, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import complaints, free_port, serving
from tests.browser.operation import SCRIPT, Operator
from tests.conftest import guarded_context

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def quiet_log() -> None:
    """The server of this test is to complain."""


def test_every_planted_fault_is_found(browser, tmp_path):
    port, inspect = free_port(), free_port()
    command = [str(HERE / "inspected_server.py"), "--port", str(port), "--inspect", str(inspect)]
    command += ["--plant", str(HERE / "planted_faults.py")]
    with serving(tmp_path, port, *command) as address:
        with pytest.raises(AssertionError) as failure, guarded_context(browser) as context:
            context.add_init_script(path=SCRIPT)
            page = context.new_page()
            page.goto(address + "inversion")
            page.wait_for_selector("#loader", state="hidden")
            page.wait_for_selector("text=planted dead button")
            operator = Operator(
                page, f"http://localhost:{inspect}", lambda accept: None, skip="^(?!.*planted)", patience=4.0
            )
            names = operator.operate_all()
            page.wait_for_timeout(500)
    faults = "\n".join(operator.faults)
    assert len(names) == 7, names
    assert "planted dead button: nothing happened" in faults
    assert "planted dead menu: the value arrived and nothing reads it" in faults
    assert "planted exception: An unexpected error occurred (ValueError: planted)" in faults
    assert "planted wrong value: '5' is shown, the session has 'another' (before: '3')" in faults
    assert "sound" not in faults
    complaint = str(failure.value)
    assert "console: planted" in complaint and "request: https://example.org/planted" in complaint
    assert any("ValueError: planted" in entry for entry in complaints(tmp_path / "log"))
