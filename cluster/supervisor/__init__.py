"""What keeps `beejan up` up: the proxy in front, one generation of Ray behind it, and who watches both.

Nothing here imports Ray, but `generation.py`, which runs in a process of its own.
"""
