"""An OpenAI-compatible model server that stands in for a real model.

Promises deterministic answers, settable speed, limits and faults, and vLLM's metric names.
Its quality is declared by flags, never measured: it thinks nothing and costs nothing.
"""
