"""The fan-out: bounded workers, pacing, retry, progress, and the sync door to the async core."""
