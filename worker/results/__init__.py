"""What training and searching come to, each typed once: computed, stored and sent as it is.

Nothing here imports torch, so that storage and the supervisor may.
"""
