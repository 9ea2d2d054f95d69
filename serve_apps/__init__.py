"""The HTTP doors. None exists yet: `beejan append` is the only way in."""
