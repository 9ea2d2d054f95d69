"""What keeps the product up."""
