"""The steps of the flow, one module each; a pure stage gives the same answer for the same batch anywhere."""
