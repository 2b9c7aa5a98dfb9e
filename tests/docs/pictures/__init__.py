"""The drawings of docs/concepts.md: SVG, made of what stands here, and nothing else."""
