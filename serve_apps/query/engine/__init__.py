"""What answers a query: an interface, and one engine for each way to run."""
