"""The page of exports: what is being written, or has been, is still there when the user comes back."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from pathlib import Path

import pytest

from workbench.backends import InlineBackend
from workbench.ui import process_pool
from workbench.ui.jobs import Jobs
from workbench.ui.studio import Studio


@pytest.fixture
def studio(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    page = Studio(Jobs(InlineBackend()))
    page.session.choices.training.set("samples", 200)
    page.session.new_run(run=False)
    page.session.poll()
    yield page
    page.session.close()
    page.session.jobs.close()


class Pool:
    """A pool whose only export the test ends itself."""

    def submit(self, work, source, key, target, observation):
        self.future, self.target = Future(), Path(target)
        return self.future

    def end(self):
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.target.write_bytes(b"a file")
        self.future.set_result(None)


def row_of(studio, key):
    page = studio.navigation._pages["import_export"]
    return next(row for row in page.rows if row.key == key)


def test_an_export_goes_on_while_other_pages_are_open(studio, monkeypatch):
    pool = Pool()
    monkeypatch.setattr(process_pool, "export_pool", lambda key: pool)
    studio.navigation.show("import_export")
    row = row_of(studio, "onnx")

    async def export():
        writing = asyncio.ensure_future(row._on_export(None))
        while not hasattr(pool, "future"):
            await asyncio.sleep(0.01)
        studio.navigation.show("share")
        studio.navigation.show("import_export")
        assert row_of(studio, "onnx") is row and row.button.loading
        pool.end()
        await writing

    asyncio.run(export())
    assert len(row.download) == 1
    studio.navigation.show("live")
    studio.navigation.show("import_export")
    assert row_of(studio, "onnx") is row and len(row.download) == 1
    studio.session.step(1)  # the file is not the model on display any more
    studio.session.poll()
    studio.navigation.show("live")
    studio.navigation.show("import_export")
    assert not len(row.download)
    studio.session.new_run(run=False)
    studio.navigation.show("import_export")
    assert row_of(studio, "onnx") is not row
