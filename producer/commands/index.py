"""Index of the producer's commands: what `atelier --help` says of each, and the module that defines it."""

from __future__ import annotations

from shared.terminal import CommandEntry, Panel

_STYLING = "producer.commands.styling"
_BATCHES = "producer.commands.batches"
_NIGHTS = "producer.commands.nights"
_REVIEWS = "producer.commands.reviews"
_API = "producer.commands.api"
_SERVICES = "producer.commands.services"
_TRAINING = "producer.commands.training"

COMMANDS = (
    CommandEntry("run", "Restyle images on this machine, into a folder.", Panel.WORK, _STYLING),
    CommandEntry("submit", "Queue images for the workers; print the batch's id.", Panel.WORK, _STYLING),
    CommandEntry("status", "Show the progress of a batch, or list the newest ones.", Panel.WORK, _BATCHES),
    CommandEntry("download", "Write a batch's images and reports to a folder.", Panel.WORK, _BATCHES),
    CommandEntry("failures", "List a batch's failed images with the reasons.", Panel.WORK, _BATCHES),
    CommandEntry("retry", "Retry a batch's failed images.", Panel.WORK, _BATCHES),
    CommandEntry("pause", "Pause a batch.", Panel.WORK, _BATCHES),
    CommandEntry("resume", "Resume a paused batch.", Panel.WORK, _BATCHES),
    CommandEntry("cancel", "Cancel a batch; finished images are kept.", Panel.WORK, _BATCHES),
    CommandEntry("feed", "Give a feed back with the new addresses.", Panel.WORK, "producer.commands.feed"),
    CommandEntry("proofs", "Approve or reject a sample before its batch runs.", Panel.WORK, "producer.commands.proofs"),
    CommandEntry("styles", "List the styles; add, preview and share your own.", Panel.WORK, "producer.commands.styles"),
    CommandEntry("presets", "List what each channel takes; add your own.", Panel.WORK, "producer.commands.presets"),
    CommandEntry(
        "backgrounds", "Add pictures that stand behind products.", Panel.WORK, "producer.commands.backgrounds"
    ),
    CommandEntry(
        "catalog", "Import a shop's images, choose looks, publish.", Panel.CATALOGUE, "producer.commands.catalog"
    ),
    CommandEntry("nightly", "Restyle the catalogue images that are out of date.", Panel.CATALOGUE, _NIGHTS),
    CommandEntry("schedules", "Schedule nightly restyling, and set its limits.", Panel.CATALOGUE, _NIGHTS),
    CommandEntry("gate", "Limit how much a restyled image may differ.", Panel.CATALOGUE, _REVIEWS),
    CommandEntry("reviews", "Approve or reject the images beyond these limits.", Panel.CATALOGUE, _REVIEWS),
    CommandEntry("models", "Compare, promote and roll back model versions.", Panel.MODELS, "producer.commands.models"),
    CommandEntry("retrain", "Queue a training run that improves the model.", Panel.MODELS, _TRAINING),
    CommandEntry("runs", "Follow, cancel and schedule training runs.", Panel.MODELS, _TRAINING),
    CommandEntry(
        "merchants",
        "Allow sources, set quotas; export or erase.",
        Panel.ADMINISTRATION,
        "producer.commands.merchants",
    ),
    CommandEntry("usage", "Show what merchants had, month by month.", Panel.ADMINISTRATION, "producer.commands.usage"),
    CommandEntry("keys", "Create, list and revoke keys of the HTTP API.", Panel.ADMINISTRATION, _API),
    CommandEntry(
        "webhooks", "Tell other programs when batches end.", Panel.ADMINISTRATION, "producer.commands.webhooks"
    ),
    CommandEntry("audit", "List who did what, newest first.", Panel.ADMINISTRATION, "producer.commands.audit"),
    CommandEntry(
        "dead-letters",
        "Find failed images of all batches; replay them.",
        Panel.ADMINISTRATION,
        "producer.commands.dead_letters",
    ),
    CommandEntry("prune", "Delete old batches and files that nothing uses.", Panel.ADMINISTRATION, _SERVICES),
    CommandEntry("check-renditions", "Find images whose stored file is missing.", Panel.ADMINISTRATION, _SERVICES),
    CommandEntry("up", "Run all of Atelier here, with its pages.", Panel.RUNNING, "producer.commands.up"),
    CommandEntry("api", "Serve the HTTP API and the page for admins.", Panel.RUNNING, _API),
    CommandEntry("services", "Start or stop this machine's own Postgres and Redis.", Panel.RUNNING, _SERVICES),
    CommandEntry("db", "Create or upgrade the database's tables.", Panel.RUNNING, _SERVICES),
    CommandEntry("health", "Check this host's worker or beat, for a supervisor.", Panel.RUNNING, _SERVICES),
)
