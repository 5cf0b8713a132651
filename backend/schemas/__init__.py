"""Request and response models: the contract's names and types, one file per resource."""
