"""What numbers mean: one catalogue entry a metric, read by every door."""
