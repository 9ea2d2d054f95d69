"""The sequencer: writes plans and commits them, one after the other, once each."""
