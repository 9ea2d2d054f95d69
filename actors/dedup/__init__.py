"""Which events are known already, and which texts are near-duplicates of earlier ones, in plan order."""
