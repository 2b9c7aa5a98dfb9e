"""A kubelet whose containers are local processes: see agent.py for what it promises."""
