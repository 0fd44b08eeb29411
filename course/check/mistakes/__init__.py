"""The mistakes that people make in each step, and what each would compute.

A step's module here holds one function, `compute`, which gives what Hugging Face
gives, in NumPy. Its options are the wrong turns one can take; a mistake is a name
for some options. A wrong output that equals a mistake's output explains itself.

Whether a step is right is up to Hugging Face's numbers. (Only the tokens that step 16
has to choose are worked out from the function `penalized` of its module here.) What is
computed here is computed when those numbers are not met.
"""
