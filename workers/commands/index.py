"""Index of the workers' commands: what `atelier --help` says of each, and the module that defines it."""

from __future__ import annotations

from importlib.util import find_spec

from shared.terminal import CommandEntry, Panel

_WORKERS = "workers.commands.main"

_COMMANDS = (
    CommandEntry("styles", "List the styles; add, preview and share your own.", Panel.WORK, _WORKERS),
    CommandEntry("models", "Compare, promote and roll back model versions.", Panel.MODELS, "workers.commands.models"),
    CommandEntry("train", "Train a model from folders of images.", Panel.MODELS, _WORKERS),
    CommandEntry("evaluate", "Measure models on folders of images.", Panel.MODELS, _WORKERS),
    CommandEntry("explain", "Show what restyling changed on one photo.", Panel.MODELS, _WORKERS),
    CommandEntry("export", "Write the model as an ONNX file.", Panel.MODELS, _WORKERS),
    CommandEntry("mask", "Find what of a photo is the product.", Panel.WORK, "workers.commands.masks"),
    CommandEntry("train-mask", "Train the network that finds products.", Panel.MODELS, "workers.commands.masks"),
    CommandEntry("evaluate-mask", "Measure product masks.", Panel.MODELS, "workers.commands.masks"),
    CommandEntry("worker", "Run a worker: it restyles queued images, or trains.", Panel.RUNNING, _WORKERS),
    CommandEntry("beat", "Run the timer that starts nights and retries.", Panel.RUNNING, _WORKERS),
)

COMMANDS = _COMMANDS if find_spec("torch") else ()
"""Empty where the extra ``workers`` is not installed."""
