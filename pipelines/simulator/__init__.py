"""A made-up day at Beejan, the same for the same seed, with the ground truth beside it."""
