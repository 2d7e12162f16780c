"""What is done with each layer and operation of Keras, told by small models."""
