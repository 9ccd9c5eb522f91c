"""What accuracy.py and adaptation.py are made of: labelled sets, draws and mixes of them, peers, figures."""
