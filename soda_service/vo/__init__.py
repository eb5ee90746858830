"""Documents of the Virtual Observatory: values -> bytes, without any web framework.

- `votable`: tables, service descriptors and errors as VOTable 1.4
- `separated`: tables as CSV and TSV
- `soda`: what SODA takes, as parameters of a service descriptor
- `obscore`: the columns of ObsCore
- `images`: the images of a release as rows of ObsCore
- `sia`: parameters of an SIA 2.0 query -> which rows satisfy it
"""
