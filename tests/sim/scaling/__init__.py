"""`make sim-scaling`: recorded and generated arrivals against autoscalers, in virtual time.

The tables and what they mean are in docs/scaling.md.
"""
