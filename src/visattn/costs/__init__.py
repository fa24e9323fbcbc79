"""What a module costs: parameters, MACs, latency, memory."""
