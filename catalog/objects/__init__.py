"""Whole objects under names: a folder of the local disk, or a bucket."""
