"""PURE: pictures as SVG, drawn from view models; texts in them are escaped, colors are classes."""
