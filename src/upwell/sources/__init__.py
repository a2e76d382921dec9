"""Where deliveries come from: each file fetches or receives, and translates; it knows no other."""
