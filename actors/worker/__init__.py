"""The flow worker: hosts the pure stages, and finds the event that ends a process."""
