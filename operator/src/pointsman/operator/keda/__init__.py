"""The operator as an external scaler of KEDA's; needs the extra `keda`, and is off by default."""
