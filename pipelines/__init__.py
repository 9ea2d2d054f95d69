"""What happens to a complaint, in order: one flow, many drivers."""
