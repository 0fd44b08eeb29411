"""The mistakes that people make in each step, and what each would compute.

A step's module here holds one function, `compute`, which gives what Hugging Face
gives, in NumPy. Its options are the wrong turns one can take; a mistake is a name
for some options. A wrong output that equals a mistake's output explains itself.

Nothing here decides whether a step is right: that is up to Hugging Face's numbers.
Nothing here is imported while steps are right; a test holds the checks to it.
"""
