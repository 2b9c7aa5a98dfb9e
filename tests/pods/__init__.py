"""Real pods: kubelet, containerd and runc below the bench's control plane; DESIGN.md."""
