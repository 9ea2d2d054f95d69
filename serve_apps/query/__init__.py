"""Questions about the complaints, answered from the lake."""
