import os

# tensors here are tiny: threads would only wait for each other, more so with several test processes
os.environ.setdefault("OMP_NUM_THREADS", "1")
