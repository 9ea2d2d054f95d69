"""What things are called and how they are stored. No Ray, no web framework, no language processing."""
