"""Mask R-CNN's stages as Keras layers, to put a region proposal network or RoI heads on a network of one's own.

```python
features = keras.Input((None, None, 96))  # the map of any backbone, here with a cell for every 16 pixels
rpn = RegionProposal(anchor_sizes=(32, 64, 128), strides=16)(features)
proposals = Proposals(300)(rpn)
regions = ROIAlign(7, strides=16)([features, proposals])
answers = BoxHead(classes=3)(regions)
```

The layers with weights (RegionProposal, BoxHead, MaskHead) write themselves into a Functional graph as nested models of
plain Keras layers: `pruning` sees every channel of theirs. The others have no weights, and say so. All numbers are
float32, boxes are xyxy in pixels of the picture that the network reads. docs/faster_rcnn.md makes a whole detector.
"""

from maskrcnn.layers.detection_layer import DetectionLayer
from maskrcnn.layers.mask_training import MaskLoss, MaskTargets
from maskrcnn.layers.own_detector import OwnDetector
from maskrcnn.layers.proposal_layer import ProposalLayer, Proposals
from maskrcnn.layers.region_align import ROIAlign
from maskrcnn.layers.region_heads import BoxHead, MaskHead
from maskrcnn.layers.region_proposal import AnchorGrid, RegionProposal
from maskrcnn.layers.training_losses import RegionLoss, RegionProposalLoss
from maskrcnn.layers.training_targets import AnchorTargets, ProposalTargets

__all__ = [
    "AnchorGrid",
    "AnchorTargets",
    "BoxHead",
    "DetectionLayer",
    "MaskHead",
    "MaskLoss",
    "MaskTargets",
    "OwnDetector",
    "ProposalLayer",
    "ProposalTargets",
    "Proposals",
    "ROIAlign",
    "RegionLoss",
    "RegionProposal",
    "RegionProposalLoss",
]
