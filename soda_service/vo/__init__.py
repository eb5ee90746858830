"""Documents of the Virtual Observatory: functions from values to bytes, without a web framework.

- `votable`: tables, service descriptors and errors as VOTable 1.4
- `separated`: tables as CSV and TSV
- `soda`: the parameters of SODA, for service descriptors
- `obscore`: the columns of ObsCore
- `images`: the images of a release as rows of ObsCore
- `sia`: parameters of an SIA 2.0 query -> rows that match it
"""
