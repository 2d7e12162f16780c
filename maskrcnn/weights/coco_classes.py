"""COCO's classes in the slots that published weights have for them."""

_NAMED = {
    1: "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant",
    13: "stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe",
    27: "backpack, umbrella",
    31: "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, "
        "skateboard, surfboard, tennis racket, bottle",
    46: "wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, "
        "donut, cake, chair, couch, potted plant, bed",
    67: "dining table",
    70: "toilet",
    72: "tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator",
    84: "book, clock, vase, scissors, teddy bear, hair drier, toothbrush",
}  # fmt: skip
_AT = {first + i: name for first, names in _NAMED.items() for i, name in enumerate(names.split(", "))}

COCO_CLASSES = ("__background__", *(_AT.get(i, "N/A") for i in range(1, 91)))
"""91 names, as torchvision lists them: the background, 80 classes, and "N/A" where COCO has left an id out."""

COCO_CLASS_NAMES = tuple(_AT.get(i, f"N/A {i}") for i in range(1, 91))
"""The 90 `class_names` of a model that takes COCO_V1 weights: labels are category ids, and each gap has its name."""

MATTERPORT_CLASS_NAMES = tuple(name for _, name in sorted(_AT.items()))
"""The 80 `class_names` of Matterport's `mask_rcnn_coco.h5`: COCO's classes in the order of their ids, without gaps."""
