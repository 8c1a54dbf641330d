"""`Architecture.formats` is checked: the formats that it promises work, and those that it refuses fail."""

from __future__ import annotations

import io
import warnings

import pytest
import torch
from torch import nn
from zuko.utils import GaussLegendre

from tests.architectures.properties import batch, has, name_of, only
from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.core.shapes import Shapes

CALLS = [
    (key, shapes, call)
    for key in ARCHITECTURES.keys()
    for shapes in (Shapes(2, 0), Shapes(4, 2))
    for call in ("latent", "inverse", "log_prob")
    if not ARCHITECTURES.make(key).refusals(shapes)
    and (call != "log_prob" or has(key, Capability.DENSITY))
    and (call != "latent" or has(key, Capability.LATENT))
]
calls = pytest.mark.parametrize(("key", "shapes", "call"), CALLS, ids=name_of)


class Call(nn.Module):
    """One method of a model as a module, which is what exporters take."""

    def __init__(self, model, call):
        super().__init__()
        self.model, self.call = model, call

    def forward(self, points, y=None):
        values = getattr(self.model, self.call)(points, y)
        return tuple(f for f in values if f is not None) if isinstance(values, tuple) else (values,)


@pytest.fixture(autouse=True)
def no_traced_nodes():
    """Clear zuko's cache of quadrature nodes, which a failed tracing leaves with fake tensors."""
    yield
    GaussLegendre.nodes.cache_clear()


def export_call(key, shapes, call):
    """Trace a call for any number of rows; return it, the program, and inputs of two lengths."""
    torch.manual_seed(0)
    settings = only(key, {"transforms": 2, "width": 8, "depth": 1})
    model = ARCHITECTURES.make(key, **settings).build(shapes).eval()
    module = Call(model, call)
    inputs = []
    for rows in (5, 40):
        x, y = batch(shapes, rows)
        points = torch.randn(rows, model.latent_features) if call == "inverse" else x.float()
        points[:4] *= 4.0  # also where a spline is the identity
        inputs.append((points,) if y is None else (points, y.float()))
    rows = torch.export.Dim("rows", min=2)
    dynamic = tuple({0: rows} for _ in inputs[0])
    program = torch.export.export(module, inputs[0], dynamic_shapes=dynamic)
    return module, program, dynamic, inputs


#: tracing takes seconds: similar cases run with the slow tests
QUICK = [
    c if c[1] == Shapes(4, 2) and c[2] != "latent" else pytest.param(*c, marks=pytest.mark.slow)
    for c in CALLS
]


@pytest.mark.parametrize(("key", "shapes", "call"), QUICK, ids=name_of)
def test_graph(key, shapes, call):
    if ARCHITECTURES[key].formats["graph"]:
        pytest.skip("refused; that it fails is tested below")
    module, program, _, (_, inputs) = export_call(key, shapes, call)
    for mine, theirs in zip(module(*inputs), program.module()(*inputs), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-6)


@pytest.mark.slow
@calls
def test_onnx(key, shapes, call):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    if ARCHITECTURES[key].formats["onnx"]:
        pytest.skip("refused")
    module, _, dynamic, (example, inputs) = export_call(key, shapes, call)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about itself
        program = torch.onnx.export(module, example, dynamic_shapes=dynamic, dynamo=True, verbose=False)
    file = io.BytesIO()
    program.save(file)
    session = runtime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    feed = {i.name: value.numpy() for i, value in zip(session.get_inputs(), inputs, strict=True)}
    for mine, theirs in zip(module(*inputs), session.run(None, feed), strict=True):
        assert torch.allclose(mine, torch.from_numpy(theirs), atol=1e-4)


@pytest.mark.parametrize("key", [key for key in ARCHITECTURES.keys() if ARCHITECTURES[key].formats["graph"]])
def test_what_is_refused_does_fail(key):
    """A graph comes before everything else: without one there is no ONNX either."""
    assert ARCHITECTURES[key].formats["graph"].endswith("export the weights.")
    assert ARCHITECTURES[key].formats["onnx"]
    with torch.no_grad(), pytest.raises(Exception, match=r"[Dd]ata-dependent|dynamic|guard|leaf"):
        export_call(key, Shapes(4, 2), "inverse")
