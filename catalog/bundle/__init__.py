"""The bundle: everything a decision depends on besides the text and the code, frozen and hashed."""
