"""The page on which a digit is drawn and read: of a server of this machine, or as one file that needs none."""
