"""Where it runs: settings, wiring, the commands. Nothing imports this package."""
