"""What lies on disk: tables of results, exports and the samples."""
