"""The mistakes that people make in each step, and what each would compute.

`tables/` has the mistakes. Where a wrong output equals what NumPy's GPT-2
(`wrong_gpt2.py` and its neighbors) computes with a mistake's options, it is explained.

Nothing here decides whether a step is right: that is up to Hugging Face's numbers.
Nothing here is imported while steps are right; a test holds the checks to it.
"""
