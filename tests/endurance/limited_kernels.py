"""The kernels on NumPy arrays: too little memory for outputs or coarser levels, and an interrupt.

Prints the names of the errors, and whether an interrupt came in the middle of a call.
"""

import itertools
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tools import address_space, bits, outcome, tall_images

from gradops import _kernels

signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs begin by ignoring it
images = tall_images()
ones, weights = np.ones(3, np.float32), np.ones((3, 512, 2048, 1), np.float32)
memo, maps = np.zeros_like(images[0]), np.zeros_like(weights)
how = {"border": "circular", "downsample": "average", "scale_weights": "1,1,1"}
how["normalizer"] = "residual_count"
CALLS = {
    "output": lambda threads: _kernels.loss_memo(*images, ones, threads=threads),
    "levels": lambda threads: _kernels.loss_memo(*images, ones, memo=memo, threads=threads, **how),
    "maps of levels": lambda threads: _kernels.loss_weights_memo(
        *images, ones, memo=memo, weights_memo=maps, weights=weights, threads=threads, **how
    ),
}
outcomes = {}
for name, threads in itertools.product(CALLS, (1, 3)):
    # Calls from a new thread, which has no memory of earlier calls; it starts before the limit.
    with ThreadPoolExecutor(1) as caller:
        caller.submit(int).result()
        with address_space(1 << 20):
            outcomes[f"{name}, {threads}"] = caller.submit(outcome, CALLS[name], threads).result()
        wanted = bits(caller.submit(CALLS[name], threads).result())
    assert bits(CALLS[name](threads)) == wanted

# A thread sees that the gradient's beginning is written and its end is not, and interrupts the main
# thread: so the call does not hold Python's lock. It ends, and the interrupt follows.
wanted = bits(_kernels.loss_memo(*images, ones, threads=1))
flat, interrupts = memo.reshape(-1), []
while len(interrupts) < 20 and not any(interrupts):
    memo.fill(np.nan)
    seen = []

    def interrupt(seen=seen):
        while np.isnan(flat[0]):
            pass
        seen.append(bool(np.isnan(flat[-1])))
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        _kernels.loss_memo(*images, ones, memo=memo, threads=1)
        thread.join()
        time.sleep(60)  # for an interrupt that comes after the call
    except KeyboardInterrupt:
        interrupts += seen
    thread.join()
    assert bits([memo]) == wanted[1:]
    assert bits(_kernels.loss_memo(*images, ones, threads=2)) == wanted
print(json.dumps([outcomes, any(interrupts)]))
