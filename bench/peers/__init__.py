"""What Upwell is measured beside, on the same rows in the same run."""
