"""How a network learns: recipes, networks, augmentation, studies, and what a killed fit goes on from."""
