"""Helper processes: quick work does not wait for expensive work, and they end with the server."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.export import FORMATS
from workbench.ui import process_pool

ROOT = Path(__file__).parents[2]

SERVER = """
import os, time
from workbench.ui.process_pool import ProcessPool
if __name__ == "__main__":
    pool = ProcessPool()  # pool, as a server holds it: one that nobody holds ends its process
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(120)
"""


def test_it_outlives_no_server(tmp_path):
    script = tmp_path / "server.py"  # a file: what is spawned imports it again
    script.write_text(SERVER)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        worker = int(server.stdout.readline())
        try:
            server.terminate()
            # The pipe ends when nobody holds it any more: server, worker and whatever the worker has started.
            assert server.communicate(timeout=20)[0] == ""
        except subprocess.TimeoutExpired:
            os.kill(worker, signal.SIGKILL)
            raise


@pytest.mark.parametrize(("key", "quick"), [("notebook", True), ("weights", True), ("onnx", False)])
def test_a_quick_format_is_not_written_where_an_expensive_one_is(key, quick):
    assert process_pool.export_pool(key) is (process_pool.QUICK if quick else process_pool.POOL)
    assert {process_pool.export_pool(key) for key in FORMATS} == {process_pool.QUICK, process_pool.POOL}


def test_quick_work_is_done_while_expensive_work_goes_on(tmp_path, monkeypatch):
    pools = {name: process_pool.ProcessPool() for name in ("POOL", "QUICK")}
    for name, pool in pools.items():
        monkeypatch.setattr(process_pool, name, pool)
    os.mkfifo(tmp_path / "onnx")
    expensive = process_pool.export_pool("onnx").submit((tmp_path / "onnx").read_text)  # until it is written
    try:
        quick = process_pool.export_pool("notebook").submit(os.getpid)
        assert quick.result(timeout=60) and not expensive.done()
    finally:
        (tmp_path / "onnx").write_text("written")
    assert expensive.result(timeout=60) == "written"
    for pool in pools.values():
        pool.close()
