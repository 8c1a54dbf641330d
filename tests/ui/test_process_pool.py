"""The process for short work ends with the server, however that ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

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
