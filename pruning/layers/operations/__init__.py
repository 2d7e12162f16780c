"""What each raw operation of a Functional graph (keras.ops) does to channels."""
