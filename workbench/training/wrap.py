"""Wrappers for code of other packages, as members of the catalogues: ``workbench.wrap``.

    @wb.wrap.flow
    def my_flow(features, context, transforms=3):
        return zuko.flows.NSF(features, context, transforms=transforms)

    run = wb.Run(wb.Experiment(problem, "my_flow"))

`flow` takes a flow of zuko, `bijection` an invertible ``nn.Module``, `sampler` one that makes draws of noise,
`loss` a function of network and batch, `divergence` a function of two samples.
"""

from workbench.architectures.wrapped import bijection, flow, sampler
from workbench.divergences.wrapped import divergence
from workbench.objectives.wrapped import loss

__all__ = ["bijection", "divergence", "flow", "loss", "sampler"]
