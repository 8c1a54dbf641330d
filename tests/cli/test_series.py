"""Observations that are series go through an embedding, chosen from the command line."""

from __future__ import annotations

import json

import pytest

import workbench as wb
from workbench.cli import main

SMALL = {"transforms": 2, "width": 16, "depth": 1, "samples": 1500, "batch_size": 200, "learning_rate": 0.01}


@pytest.mark.parametrize("embedding", ["mlp", "convolution_1d", "deep_set"])
def test_an_embedding_reads_the_nights_of_an_exoplanet(embedding, tmp_path, capsys):
    settings = SMALL | {"embedding": embedding, "embedding_features": 6, "validate_every": 30}
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    folder = tmp_path / "run"
    options = ["--problem", "radial_velocity", "--architecture", "conditional_inn", "--steps", "60"]
    assert main(["train", *options, *words, "--out", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 60
    run = wb.Run.resume(folder)
    assert type(run.model.embedding).__name__ == {"mlp": "MLP", "convolution_1d": "Convolution1d"}.get(
        embedding, "DeepSet"
    )
    # the network reads the nights: two observations, two posteriors
    low, high = (run.posterior([v] * 22).sample(200, seed=1)["systemic_velocity"] for v in (-8.0, 8.0))
    assert float(high.mean() - low.mean()) > 5
