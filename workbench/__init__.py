"""VINA workbench: see an invertible network learn."""

from importlib import import_module

__version__ = "0.1.0"

# Looked up on first use: `import workbench` must not cost a second of torch for `workbench --help`.
_PUBLIC = {
    "Experiment": "workbench.training",
    "Run": "workbench.training",
    "Training": "workbench.training",
    "FittedModel": "workbench.inference",
    "Snapshot": "workbench.snapshots",
    "SnapshotRequest": "workbench.snapshots",
    "Variable": "workbench.core.variable",
    "WorkbenchError": "workbench.core.errors",
    "TableProblem": "workbench.problems",
    "SimulatorProblem": "workbench.problems",
    "SimulationsProblem": "workbench.problems",
    "save": "workbench.export",
    "load": "workbench.export",
    "check": "workbench.export",
    "simulate": "workbench.export",
    "report": "workbench.export",
    "formulas": "workbench.export",
    "diagnose": "workbench.diagnostics",
    "invert": "workbench.diagnostics",
    "train_forward": "workbench.inversion",
    "refine": "workbench.refinement",
}
__all__ = ["__version__", *_PUBLIC]


#: Packages and modules that are reached as ``wb.NAME`` without an import of their own.
_MODULES = {
    **{
        name: f"workbench.{name}"
        for name in (
            "architectures",
            "bijections",
            "critics",
            "diagnostics",
            "divergences",
            "export",
            "inference",
            "inversion",
            "nn",
            "objectives",
            "plots",
            "problems",
            "refinement",
            "snapshots",
            "studies",
            "theory",
            "training",
        )
    },
    "plugins": "workbench.core.plugins",
    "wrap": "workbench.training.wrap",
}


def __getattr__(name: str):
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'workbench' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
