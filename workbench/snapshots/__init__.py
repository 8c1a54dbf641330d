"""Snapshots: what a running network shows of itself, as arrays and as labelled Datasets."""

from workbench.snapshots.snapshot import VIEWS, Snapshot, SnapshotRequest, take_snapshot

__all__ = ["VIEWS", "Snapshot", "SnapshotRequest", "take_snapshot"]
