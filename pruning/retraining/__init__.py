"""Ways to train after pruning, or towards it: rewound rates and weights, growing decay, distillation."""
