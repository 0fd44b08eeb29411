"""`course bench`: speed side by side with others, in one run on one machine.

Only ratios within one run mean anything: a machine is faster or slower from one minute
to the next, but so is everything that runs on it.
"""
