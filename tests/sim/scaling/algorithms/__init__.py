"""The autoscalers under comparison: one file each, written from its documented formula."""
