"""The log: acknowledged envelopes, durable and in order, before anything is judged."""
