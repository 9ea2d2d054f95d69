"""What remembers or holds something heavy; each folder is config, a plain class, and a thin wrapper."""
