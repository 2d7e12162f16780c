"""What a probe box is: said once, for the stored probes of evaluation and for those drawn inside a compiled graph.

Both ask the second stage about true boxes, jittered copies of them and background, whatever the proposals. They are
drawn apart, because figures were made with each: `evaluation.probe` in NumPy from a picture's place in its data set,
so that a probe set can be stored; `probe_boxes` in the graph from the picture's own boxes, so that a batch alone
decides.
"""

JITTER_IOU = (0.5, 0.9)  # of a jittered box with its own object, which it overlaps no less than any other
BACKGROUND_IOU = 0.3  # a background box stays below this with everything, and so does its share inside a crowd
JITTERS, BACKGROUNDS = 4, 8  # copies of an object; boxes of a picture
CANDIDATES = 96  # tried at once
BACKGROUND_SIDES = (1 / 16, 1 / 2)  # of the picture's, log-uniform, for every other candidate
LIKE_AN_OBJECT = 0.35  # the others are sized like one of the picture's objects, times exp(+-this): 0.7 to 1.4
