"""Ways of retraining that need more than a plain fine-tuning: when channels go, and what is trained then."""
